package lint

import (
	"slices"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A written tag is one that a rule may write, at the first place that says so.
type written struct {
	at            source.Value
	header, value string
	enforced      bool // by a rule that writes today
	rest          bool // what is left of the users, whom a default route may serve
}

// written returns the tags of all rules.
func (m *Model) written() (ws []written) {
	for _, s := range m.Rules {
		for i, r := range s.Table.Rules() {
			values := map[string]bool{}
			add := func(at source.Value, value string, takes, rest bool) {
				if value != "" && !values[value] {
					values[value] = true
					ws = append(ws, written{at, r.TagHeader, value, takes && r.Mode == rules.ModeEnforce, rest})
				}
			}
			for j, o := range r.Overrides {
				add(s.Rule(i, "overrides", j, "tagValue"), o.TagValue, true, false)
			}
			taken := uint32(0)
			for j, p := range r.Policies {
				add(s.Rule(i, "policies", j, "tagValue"), p.TagValue, p.Range > taken || p.Ramp != nil, p.Range == r.Modulo && len(values) > 0)
				if p.From <= taken {
					taken = max(taken, p.Range)
				}
			}
		}
	}
	return ws
}

// tagHeaders returns the headers that rules write.
func (m *Model) tagHeaders() (names []string) {
	for _, s := range m.Rules {
		names = append(names, s.Table.TagHeaders()...)
	}
	return names
}

// owns reports whether a header is one that only tagproc and routes set.
func (m *Model) owns(header string) bool {
	return slices.ContainsFunc(m.Rules, func(s *Rules) bool {
		o := s.Table.Owned()
		return o.Contains(header)
	})
}

// isKey reports whether a header is a key of a rule, or holds one.
func (m *Model) isKey(header string) bool {
	return slices.ContainsFunc(m.Rules, func(s *Rules) bool {
		return slices.ContainsFunc(s.Table.Keys(), func(k rules.Key) bool { return k.Header() == header })
	})
}
