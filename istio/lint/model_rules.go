package lint

import (
	"slices"
	"strings"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A ruleSet is a rules file: bare, in a manifest, or in a ConfigMap.
type ruleSet struct {
	place // of the mapping with the key rules

	table *rules.Table       // of a usable file
	docs  []*source.Document // the file: the rules, and what may stand behind them

	problems  source.Problems  // of reading docs, and of what they say
	configMap *source.Document // that has it under key, or nil
	key       string
}

// rule returns the place of the rule of index i, or of a part of it.
func (s *ruleSet) rule(i int, path ...any) place { return s.in("rules", i).in(path...) }

// sets returns those of the rules that are usable.
func (m *model) sets() (usable []*ruleSet) {
	for _, s := range m.rules {
		if s.table != nil {
			usable = append(usable, s)
		}
	}
	return usable
}

func (m *model) addBare(d *source.Document) {
	if isRules(d.Value) || d.Get("tagHeaders").Exists() {
		m.addRules(&ruleSet{place: place{doc: d}, docs: []*source.Document{d}})
		return
	}
	if envoyconf.Is(d.Value) {
		m.envoyDocs = append(m.envoyDocs, d)
		return
	}
	if d.Get("laneGroup").Exists() {
		m.others[lanesFile]++
		return
	}
	if d.Get("filters").Exists() && d.Get("clusters").Exists() {
		m.others[envoyConfig]++
		return
	}
	m.others[noKind]++
	if !m.swept[d.File] {
		m.unknownDocument(place{doc: d}, "this is neither an object of Kubernetes, with apiVersion and kind, nor rules nor lanes: lint ignores it",
			"name files with manifests and rules; if a command wrote this, it may have failed")
	}
}

// addExtension reads what adds a filter to Envoy, which may be the plug-in with rules.
func (m *model) addExtension(d *source.Document) {
	name := namespace(d) + "." + d.Name
	m.inserted = append(m.inserted, name, "extensions.istio.io/wasmplugin/"+name, "extensions.istio.io/trafficextension/"+name) // the former by releases before 1.30
	m.addEnvelope(d)
}

// addEnvelope looks for rules in a manifest.
func (m *model) addEnvelope(d *source.Document) {
	if !isRules(rules.In(d)) {
		return
	}
	var path []any
	for _, key := range rules.PathIn(d) {
		path = append(path, key)
	}
	m.addRules(&ruleSet{place: place{d, path}, docs: []*source.Document{d}})
}

func (m *model) addTrafficLabel(d *source.Document) {
	m.unknownDocument(place{d, []any{"kind"}}, "no sidecar of Istio reads a TrafficLabel, by which those of ASM label requests: requests keep no label by it",
		"let sidecars find the tag again by the rules: tagproc render recompute; or let it travel as baggage: tagproc render propagation")
}

// addConfigMap looks for rules files among what a ConfigMap holds. What is called
// tagproc's rules is one even if it does not look like it.
func (m *model) addConfigMap(d *source.Document) {
	m.configs = append(m.configs, d)
	for _, text := range d.Get("data").Entries() {
		s := &ruleSet{configMap: d, key: text.Key(), place: place{d, []any{"data", text.Key()}}}
		named := strings.Contains(d.Name, "tagproc-rules") || strings.Contains(d.Name, "tagproc") && strings.HasPrefix(s.key, "rules")
		if !named && !strings.Contains(text.Text(), "rules") {
			continue // there are many ConfigMaps, and long ones
		}
		docs, problems, exact := text.Embedded()
		readable := len(problems) == 0 && len(docs) > 0 && docs[0].IsMapping()
		if !(readable && isRules(docs[0].Value)) && !named {
			continue
		}
		s.docs, s.problems = docs, problems
		if exact && readable {
			s.place = place{doc: docs[0]}
		}
		m.addRules(s)
	}
}

func (m *model) addRules(s *ruleSet) {
	m.counts[kindRules]++
	m.rules = append(m.rules, s)
}

// joinBehind adds the next document to the rules that were found last, if it may be the
// second document of their file.
func (m *model) joinBehind(next []*source.Document) {
	if len(next) == 0 || len(m.rules) == 0 || next[0].Kind != "ASMHeaderPropagation" {
		return
	}
	if s := m.rules[len(m.rules)-1]; next[0].File == s.doc.File {
		s.docs = append(s.docs, next[0])
	}
}

// loadRules compiles the rules files. Rules that are in a ConfigMap too count
// there.
func (m *model) loadRules(o rules.Options) {
	mounted := map[string]bool{}
	for _, s := range m.rules {
		if len(s.problems) == 0 {
			s.table, s.problems = rules.Compile(rules.Parse(s.doc.File, s.docs), o)
			s.problems = s.problems.Without(source.Note)
		}
		if s.doc == s.configMap { // places of the text, not of the file
			for i, p := range s.problems {
				s.problems[i] = s.problem(p.Severity, p.Kind, p.Message)
			}
		}
		m.tell(s.problems)
		if s.table != nil && s.configMap != nil {
			mounted[s.table.Digest()] = true
		}
	}
	m.rules = slices.DeleteFunc(m.rules, func(s *ruleSet) bool {
		return s.table != nil && s.configMap == nil && mounted[s.table.Digest()]
	})
}

// isRules reports whether v is a rules file: others have a key of that name too.
func isRules(v source.Value) bool {
	list := v.Get("rules")
	if !list.IsList() {
		return false
	}
	if first := list.Get(0); first.Exists() {
		policy := first.Get("policies", 0)
		return first.Get("tagHeader").Exists() || policy.Get("range").Exists() || policy.Get("tagValue").Exists()
	}
	return v.Get("tagHeaders").Exists() || len(v.Entries()) == 1
}
