package lua

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/tagproc/tagproc/baggage"
	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// The templates of the programs. Operators read what is made of them in the
// configuration of an Envoy.
//
//go:embed *.lua.tmpl
var templateFiles embed.FS

var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"lua":     Quote,
		"program": func() string { return contract.Program },
		// A step begins with the first whole millisecond that is not before it.
		"milliseconds": func(at time.Time) int64 { return at.Add(time.Millisecond - 1).UnixMilli() },
		"instant":      func(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) },
		"present":      func(h rules.HeaderMatch) bool { return h.Test == rules.HeaderPresent },
	}).ParseFS(templateFiles, "*.lua.tmpl"))
})

// A program is what templates are made into a text with.
type program struct {
	Digest, Namespace string
	Rules             []rule
	Reasons           bool     // they are told
	Trusted           bool     // clients may set tags
	Off               []string // names of rules that are off
	Several           bool     // some rule has several keys
	Ramps             bool     // their steps are taken at their instants
	Instants          []time.Time

	Visitors                          []visitor // their cookies
	VisitorNamespace, CacheControlKey string

	Members              []travelling // tags that travel as baggage
	MaxMembers, MaxBytes int          // of baggage

	FNV1a32, XXH3, Salts bool // some rule has the hash, or xxh3 with a salt

	Cookies, Matches, Places, Queries bool // some rule needs them
}

// A rule is a rule with the users that are named by each of its keys, or by any.
type rule struct {
	rules.Rule

	Keys  []key
	Users []user
}

type key struct {
	rules.Key

	Told  string // what reasons call it; "": it is the only key, or no reasons are told
	Users []user
}

// A visitor is the cookie of one, before and behind the id.
type visitor struct{ Cookie, Key, Before, Behind string }

// A travelling is a tag header with its tags as members of baggage.
type travelling struct {
	Header  string
	Members []member
}

type member struct{ Tag, Text string }

type user struct{ Value, Tag string }

// IsXXH3 reports whether the hash of the rule is xxh3.
func (r rule) IsXXH3() bool { return r.Hash == rules.XXH3 }

// Seed returns that of the rule's hash.
func (r rule) Seed() uint64 { return r.Hash.Seed(r.Salt) }

// IsShadow reports whether the tag of the rule is not written.
func (r rule) IsShadow() bool { return r.Mode == rules.ModeShadow }

// RecommendedSize is the most Lua that an Envoy should hold, in bytes: each of its
// threads does.
const RecommendedSize = 64 << 10

// NamesByKey reports whether users are named by one key and not by another.
func (r rule) NamesByKey() bool {
	return slices.ContainsFunc(r.Keys, func(k key) bool { return len(k.Users) > 0 })
}

// Gateway returns the program that decides where requests come in, and tells why in
// dynamic metadata. It writes tags and, if they travel, baggage. noBaggage says that
// clients' baggage is removed before: members that they forge Lua cannot tell from others.
// An error says what Lua cannot do as tagproc does.
func Gateway(t *rules.Table, noBaggage bool) (string, error) {
	var errs []error
	p := program{
		Digest: t.Digest(), Reasons: true, Trusted: t.TrustClientTags(), Ramps: t.HasRamps(), Instants: t.Instants(),
		Namespace: contract.MetadataNamespace, VisitorNamespace: contract.VisitorNamespace, CacheControlKey: contract.CacheControlKey,
		Members: travels(t), MaxMembers: baggage.MaxMembers, MaxBytes: baggage.MaxBytes,
	}
	for i, v := range t.Visitors() {
		before, behind := v.SetCookie()
		p.Visitors = append(p.Visitors, visitor{v.Cookie, contract.SetCookieKey(i), before, behind})
	}
	for _, r := range t.Rules() {
		if r.Mode == rules.ModeOff {
			p.Off = append(p.Off, r.Name)
			continue
		}
		p.add(r)
	}
	if !t.Propagated().IsZero() && !noBaggage {
		errs = append(errs, errors.New("propagation writes baggage beside what clients send, whose forged members Lua cannot tell from others; use --data-path=ext_proc, or --strip-client-baggage, which removes clients' baggage"))
	}
	if len(p.Rules) == 0 {
		errs = append(errs, errors.New("no rule decides anything: add one, or set its mode to enforce"))
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	return execute("gateway.lua.tmpl", p)
}

// travels returns the tag headers of t that travel, in the order of its tags.
func travels(t *rules.Table) (all []travelling) {
	propagated := t.Propagated()
	for _, tag := range t.Tags() {
		if !propagated.Contains(tag.Header) {
			continue
		}
		i := slices.IndexFunc(all, func(o travelling) bool { return o.Header == tag.Header })
		if i < 0 {
			i = len(all)
			all = append(all, travelling{Header: tag.Header})
		}
		all[i].Members = append(all[i].Members, member{tag.Value, baggage.NewMember(tag.Header, tag.Value).String()})
	}
	return all
}

// Recompute returns the program that decides by the rules of t that are enforced, and
// leaves tags that are in the request.
func Recompute(t *rules.Table) (string, error) {
	p := program{Digest: t.Digest(), Ramps: t.HasRamps()}
	for _, r := range Enforced(t) {
		p.add(r)
	}
	return execute("recompute.lua.tmpl", p)
}

// Enforced returns the rules that write tags.
func Enforced(t *rules.Table) (enforced []rules.Rule) {
	for _, r := range t.Rules() {
		if r.Mode == rules.ModeEnforce {
			enforced = append(enforced, r)
		}
	}
	return enforced
}

func (p *program) add(r rules.Rule) {
	made := rule{Rule: r}
	byKey := slices.ContainsFunc(r.Overrides, func(o rules.Override) bool { return o.Key != nil })
	usersOf := func(k *rules.Key) (users []user) {
		for _, o := range r.Overrides {
			if o.Key == nil || k != nil && *o.Key == *k {
				for _, v := range o.Values {
					users = append(users, user{v, o.TagValue})
				}
			}
		}
		return users
	}
	if !byKey {
		made.Users = usersOf(nil)
	}
	for _, k := range r.Keys {
		one := key{Key: k}
		if p.Reasons && len(r.Keys) > 1 {
			one.Told, p.Several = k.String(), true
		}
		if byKey {
			one.Users = usersOf(&k)
		}
		made.Keys = append(made.Keys, one)
		p.Cookies = p.Cookies || k.Source == rules.KeyCookie || k.Source == rules.KeyVisitor
		p.Queries = p.Queries || k.Source == rules.KeyQuery
	}
	p.FNV1a32 = p.FNV1a32 || r.Hash == rules.FNV1a32
	p.XXH3 = p.XXH3 || r.Hash == rules.XXH3
	p.Salts = p.Salts || r.Hash == rules.XXH3 && r.Salt != ""
	p.Matches = p.Matches || !r.Match.IsZero()
	p.Places = p.Places || p.Queries || len(r.Match.Hosts)+len(r.Match.Paths) > 0
	p.Rules = append(p.Rules, made)
}

func execute(name string, data any) (string, error) {
	var b strings.Builder
	if err := templates().ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("couldn't write the Lua source: %w", err)
	}
	return b.String(), nil
}

// Quote returns s as a literal of Lua, in printable ASCII alone: what else there is,
// quotes and line breaks included, is written as the number of its byte.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, `\%03d`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
