package lint

import "slices"

// An index is what checks look up: clusters have thousands of Services.
type index struct {
	services map[string]*service    // by host; of two the first
	pods     map[string][]*workload // by namespace
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
