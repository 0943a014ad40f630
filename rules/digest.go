package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// digestOf returns the digest of what t means. It covers what decides, so that
// a policy that can never match is left out.
func digestOf(t *Table) string {
	type rule struct {
		Name, Key, TagHeader, Hash, Salt, Mode string
		Modulo                                 uint32
		Overrides                              map[string]string // by value of the key
		Steps                                  []Policy
	}
	canonical := struct {
		Owned           Owned
		TrustClientTags bool
		Rules           []rule
		Propagated      *Owned `json:",omitempty"` // left out where nothing is, as it was before there was propagation
	}{
		// An empty list and no list are the same, and must be written the same.
		Owned:           Owned{Headers: append([]string{}, t.owned.Headers...), Prefixes: append([]string{}, t.owned.Prefixes...)},
		TrustClientTags: t.trust,
	}
	if !t.propagated.IsZero() {
		canonical.Propagated = &t.propagated
	}
	value := func(o outcome) string {
		if o.tag == NoTag {
			return ""
		}
		return t.tags[o.tag].Value
	}
	for i, r := range t.rules {
		c := rule{
			Name: r.Name, Key: r.Key.String(), TagHeader: r.TagHeader, Hash: r.Hash.String(), Salt: r.Salt,
			Mode: r.Mode.String(), Modulo: r.Modulo, Overrides: map[string]string{},
		}
		for v, o := range t.compiled[i].overrides {
			c.Overrides[v] = value(o)
		}
		for _, s := range t.compiled[i].steps {
			c.Steps = append(c.Steps, Policy{Range: s.bound, TagValue: value(s.outcome)})
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
