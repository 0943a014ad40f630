package lint

import (
	"fmt"
	"slices"

	"github.com/tagproc/tagproc/contract"
)

// staleProgram finds rules as Lua in an Envoy that are not those of the files: an edit of the
// rules is not live before it is rendered again.
func staleProgram(m *Model, found found) {
	for _, e := range m.Envoys {
		for _, l := range e.Listeners {
			for _, c := range l.Chains {
				if c.HTTP == nil {
					continue
				}
				for _, f := range c.HTTP.Filters {
					digest, is := contract.ProgramDigest(f.LuaSource())
					if !is || slices.ContainsFunc(m.Rules, func(r *Rules) bool { return r.Table.Digest() == digest }) {
						continue
					}
					found(f.Value, fmt.Sprintf("the Lua of the filter %s is of rules with the digest %s, and %s has %s", f.GetName(), digest, m.place(m.Rules[0].At), m.Rules[0].Table.Digest()),
						m.fix("render it again: tagproc render envoy --data-path lua", "render it again: tagproc render envoyfilter --data-path lua"))
				}
			}
		}
	}
}
