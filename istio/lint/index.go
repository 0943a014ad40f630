package lint

import (
	"slices"

	"github.com/tagproc/tagproc/rules"
)

// An index is what checks look up: clusters have thousands of Services.
type index struct {
	services map[string]*service          // by host; of two the first
	pods     map[string][]*workload       // by namespace
	owned    []rules.Owned                // what only tagproc and routes set
	keys     map[string]bool              // headers that are keys of rules
	subsets  map[string][]string          // the names that DestinationRules give, by host
	leading  map[string][]*virtualService // those that lead to a host
}

func (m *model) indexServices() {
	m.index.services, m.index.pods = map[string]*service{}, map[string][]*workload{}
	for _, s := range slices.Backward(m.services) {
		m.index.services[s.host] = s
	}
	for _, w := range m.pods {
		space := namespace(w.doc)
		m.index.pods[space] = append(m.index.pods[space], w)
	}
}

func (m *model) indexRules() {
	m.index.keys = map[string]bool{}
	for _, s := range m.sets() {
		m.index.owned = append(m.index.owned, s.table.Owned())
		for _, k := range s.table.Keys() {
			m.index.keys[k.Header()] = true
		}
	}
}

func (m *model) indexRoutes() {
	m.index.subsets, m.index.leading = map[string][]string{}, map[string][]*virtualService{}
	for _, r := range m.subsets {
		for _, s := range r.GetSubsets() {
			m.index.subsets[r.host] = append(m.index.subsets[r.host], s.GetName())
		}
	}
	for _, v := range m.virtual {
		told := map[string]bool{}
		for _, l := range v.leads {
			if !told[l.host] {
				told[l.host] = true
				m.index.leading[l.host] = append(m.index.leading[l.host], v)
			}
		}
	}
}
