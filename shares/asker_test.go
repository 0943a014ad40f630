package shares

import (
	"fmt"

	"github.com/tagproc/tagproc/rules"
)

// A visit is what a request of a test has.
type visit struct {
	host, beta        string
	user, cookie, arg bool
}

func visits() (all []visit) {
	for _, host := range []string{"a.example.com", "b.example.com", "c.example.com"} {
		for _, beta := range []string{"", "1", "2"} {
			for keys := range 8 {
				all = append(all, visit{host, beta, keys&1 > 0, keys&2 > 0, keys&4 > 0})
			}
		}
	}
	return all
}

// An asker asks a table what it decides for requests.
type asker struct {
	table   *rules.Table
	rules   []rules.Rule
	tags    []rules.Tag
	inputs  []string
	request *rules.Request
	isNamed bool // whether an override decided last
}

func newAsker(t *rules.Table) *asker {
	return &asker{table: t, rules: t.Rules(), tags: t.Tags(), inputs: t.Inputs(), request: t.NewRequest()}
}

// ask returns what is decided for the request of v by a user.
func (a *asker) ask(v visit, id []byte) []rules.Decision {
	a.request.Reset()
	for i, name := range a.inputs {
		switch {
		case name == ":authority":
			a.request.SetHeader(i, []byte(v.host))
		case name == ":path" && v.arg:
			a.request.SetHeader(i, append([]byte("/?q="), id...))
		case name == "cookie" && v.cookie:
			a.request.SetHeader(i, append([]byte("uid="), id...))
		case name == "x-beta" && v.beta != "":
			a.request.SetHeader(i, []byte(v.beta))
		case name == "x-user-id" && v.user:
			a.request.SetHeader(i, id)
		}
	}
	return a.table.Match(a.request)
}

// tag returns the tag of a header that a user gets, and notes whether they are named.
func (a *asker) tag(header string, v visit, id []byte) string {
	a.isNamed = false
	for i, d := range a.ask(v, id) {
		if d.Mode == rules.ModeEnforce && d.Applies() && a.rules[i].TagHeader == header {
			a.isNamed = d.Reason == rules.ReasonOverride
			if d.Tag == rules.NoTag {
				return ""
			}
			return a.tags[d.Tag].Value
		}
	}
	return ""
}

// deciders returns what decides each tag header.
func (a *asker) deciders(v visit) map[string]string {
	by := map[string]string{}
	for i, d := range a.ask(v, []byte("jack")) {
		if rule := &a.rules[i]; d.Mode == rules.ModeEnforce && d.Applies() {
			by[rule.TagHeader] = fmt.Sprintf("%s by %s", rule.Name, rule.Keys[d.Key])
		}
	}
	return by
}

func (d *Decider) test() string {
	if d == nil {
		return ""
	}
	return d.Rule + " by " + d.Key
}
