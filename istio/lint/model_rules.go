package lint

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A ruleSet is a rules file: bare, in a WasmPlugin, or in a ConfigMap.
type ruleSet struct {
	place // of the mapping with the key rules

	table *rules.Table // of a usable file
	file  *rules.File

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
	if isRules(d, nil) || d.Node("tagHeaders") != nil {
		m.addRules(&ruleSet{place: place{doc: d}, file: rules.Of(d, m.behind)})
		return
	}
	if d.Node("laneGroup") != nil {
		m.others[lanesFile]++
		return
	}
	m.others[noKind]++
	if !m.swept[d.File] {
		m.add(place{doc: d}, source.Warning, kindUnknownDocument, "this is no object of Kubernetes, which has apiVersion and kind, and neither rules nor lanes: it is not looked at",
			"name files with manifests and rules; of a command that failed its message may have come")
	}
}

func (m *model) addWasmPlugin(d *source.Document) {
	m.inserted = append(m.inserted, namespace(d)+"."+d.Name)
	path := []any{"spec", "pluginConfig"}
	if isRules(d, path) {
		m.addRules(&ruleSet{place: place{d, path}, file: rules.Of(d, m.behind)})
	}
}

// addConfigMap looks for rules files among what a ConfigMap holds. What is called
// tagproc's rules is one even if it does not look like it.
func (m *model) addConfigMap(d *source.Document) {
	m.configs = append(m.configs, d)
	data := d.Node("data")
	if data == nil || data.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(data.Content); i += 2 {
		s := &ruleSet{configMap: d, key: data.Content[i].Value}
		named := strings.Contains(d.Name, "tagproc-rules") || strings.Contains(d.Name, "tagproc") && strings.HasPrefix(s.key, "rules")
		if !named && !strings.Contains(data.Content[i+1].Value, "rules") {
			continue // there are many ConfigMaps, and long ones
		}
		s.place = place{d, []any{"data", s.key}}
		text, exact := embedded(d, data.Content[i+1])
		docs, problems := source.Read(d.File, text)
		readable := len(problems) == 0 && len(docs) == 1
		if !(readable && isRules(docs[0], nil)) && !named {
			continue
		}
		if exact && readable {
			s.place = place{doc: docs[0]}
		}
		s.file = rules.Parse(d.File, text)
		m.addRules(s)
	}
}

func (m *model) addRules(s *ruleSet) {
	m.counts[kindRules]++
	m.rules = append(m.rules, s)
}

// loadRules compiles the rules files. Rules that are in a ConfigMap too count
// there.
func (m *model) loadRules(o rules.Options) {
	mounted := map[string]bool{}
	for _, s := range m.rules {
		table, problems := rules.Compile(s.file, o)
		s.table, problems = table, problems.Without(source.Note)
		if s.doc == s.configMap { // places of the text, not of the file
			for i, p := range problems {
				problems[i] = s.problem(p.Severity, p.Kind, p.Message)
			}
		}
		m.tell(problems)
		if table != nil && s.configMap != nil {
			mounted[table.Digest()] = true
		}
	}
	m.rules = slices.DeleteFunc(m.rules, func(s *ruleSet) bool {
		return s.table != nil && s.configMap == nil && mounted[s.table.Digest()]
	})
}

// isRules reports whether a rules file stands at path: others have a key of that
// name too.
func isRules(d *source.Document, path []any) bool {
	at := place{d, path}
	list := d.Node(at.in("rules").path...)
	if list == nil || list.Kind != yaml.SequenceNode {
		return false
	}
	if len(list.Content) == 0 {
		return d.Node(at.in("tagHeaders").path...) != nil || len(d.Node(path...).Content) == 2
	}
	return d.Node(at.in("rules", 0, "tagHeader").path...) != nil || d.Node(at.in("rules", 0, "policies").path...) != nil
}

// embedded returns a text in a document as a file of its own. Where each of its
// lines is one of the document, everything stands in it where it stands there;
// exact says so.
func embedded(d *source.Document, n *yaml.Node) (text []byte, exact bool) {
	if n.Style&yaml.LiteralStyle == 0 {
		return []byte(n.Value), false
	}
	all := d.Source().Lines()
	var b strings.Builder
	b.WriteString(strings.Repeat("\n", n.Line)) // up to the line of the | itself
	for i, line := range strings.Split(strings.TrimRight(n.Value, "\n"), "\n") {
		if n.Line+i >= len(all) {
			return []byte(n.Value), false
		}
		whole := all[n.Line+i]
		if !strings.HasSuffix(whole, line) || strings.TrimSpace(strings.TrimSuffix(whole, line)) != "" {
			return []byte(n.Value), false
		}
		b.WriteString(whole + "\n")
	}
	return []byte(b.String()), true
}
