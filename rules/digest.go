package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"
)

// digestOf returns the digest of what t means, at any time. It covers what decides,
// so that a policy that can never match is left out. What a file does not use is
// left out too: a file keeps its digest when the language grows.
func digestOf(t *Table) string {
	type stage struct {
		At    string
		Steps []stepText
	}
	type rule struct {
		Name, Key, TagHeader, Hash, Salt, Mode string
		Modulo                                 uint32
		Overrides                              map[string]string            // by value of the key
		Steps                                  []stepText                   // before every ramp
		Match                                  *Match                       `json:",omitempty"`
		OfKeys                                 map[string]map[string]string `json:",omitempty"` // overrides, by key and its value
		Ramp                                   []stage                      `json:",omitempty"` // the steps from an instant on, where they change
	}
	canonical := struct {
		Owned           Owned
		TrustClientTags bool
		Rules           []rule
		Propagated      *Owned    `json:",omitempty"`
		Visitors        []Visitor `json:",omitempty"`
	}{
		// An empty list and no list are the same, and must be written the same.
		Owned:           Owned{Headers: append([]string{}, t.owned.Headers...), Prefixes: append([]string{}, t.owned.Prefixes...)},
		TrustClientTags: t.trust,
		Visitors:        t.visitors,
	}
	if !t.propagated.IsZero() {
		canonical.Propagated = &t.propagated
	}
	for i, r := range t.rules {
		c := rule{
			Name: r.Name, Key: keysText(r.Keys), TagHeader: r.TagHeader, Hash: r.Hash.String(), Salt: r.Salt,
			Mode: r.Mode.String(), Modulo: r.Modulo, Overrides: map[string]string{}, Steps: t.stepTexts(t.program(i)),
		}
		if !r.Match.IsZero() {
			c.Match = &r.Match
		}
		for user, o := range t.program(i).named {
			if user.key == anyKey {
				c.Overrides[user.value] = t.tagText(o)
				continue
			}
			key := r.Keys[user.key].String()
			if c.OfKeys == nil {
				c.OfKeys = map[string]map[string]string{}
			}
			if c.OfKeys[key] == nil {
				c.OfKeys[key] = map[string]string{}
			}
			c.OfKeys[key][user.value] = t.tagText(o)
		}
		last := c.Steps
		for at, p := range t.programs(i, time.Time{}) {
			if steps := t.stepTexts(p); !slices.Equal(steps, last) { // another policy may give the same tag
				c.Ramp = append(c.Ramp, stage{at, steps})
				last = steps
			}
		}
		canonical.Rules = append(canonical.Rules, c)
	}
	// Maps are written in the order of their keys, so equal tables give equal text.
	text, err := json.Marshal(canonical)
	if err != nil {
		panic("rules: strings and numbers could not be written as JSON: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// A stepText is a step by the value of its tag, "" for none.
type stepText struct {
	Range    uint32
	TagValue string
}

func (t *Table) stepTexts(p *program) (texts []stepText) {
	for _, s := range p.steps {
		texts = append(texts, stepText{s.bound, t.tagText(s.outcome)})
	}
	return texts
}

func (t *Table) tagText(o outcome) string {
	if o.tag == NoTag {
		return ""
	}
	return t.tags[o.tag].Value
}

// keysText returns keys in their order, for digests and people.
func keysText(keys []Key) string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.String()
	}
	return strings.Join(texts, ", ")
}

// programs returns what the rule of index i is at an instant, and from each later one on at
// which it becomes another one. The zero instant is before the first step of every ramp.
func (t *Table) programs(i int, from time.Time) iter.Seq2[string, *program] {
	return func(yield func(string, *program) bool) {
		if t.schedule == nil {
			yield("", t.program(i))
			return
		}
		first, _ := t.At(from)
		last := first.program(i)
		if !yield("", last) {
			return
		}
		for _, stage := range t.schedule.stages[first.stage+1:] {
			p := stage.program(i)
			if p != last && !yield(formatInstant(stage.Since()), p) {
				return
			}
			last = p
		}
	}
}

// setDigest sets the digest of the table, and of every stage of it.
func (t *Table) setDigest(digest string) {
	t.digest = digest
	if t.schedule != nil {
		for _, stage := range t.schedule.stages {
			stage.digest = digest
		}
	}
}
