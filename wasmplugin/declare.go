package wasmplugin

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

const declarationComment = `# The tag headers: only tagproc sets them, and what a client sends in them is
# removed. Envoy has to know the same ones, in forward_rules, mutation_rules and
# early_header_mutation; a rule that writes another header is refused.
`

const propagationComment = `# The tag headers that travel as members of the header baggage too.
`

// declare returns what the rules file has to declare beside what m has, as text.
func declare(m *manifest, table *rules.Table, o rules.Options) (string, error) {
	tagHeaders, err := declareTagHeaders(m.config, table, o)
	if err != nil || m.propagation == nil {
		return tagHeaders, err
	}
	var d struct {
		Propagation struct {
			Headers        []string `yaml:"headers,omitempty"`
			HeaderPrefixes []string `yaml:"headerPrefixes,omitempty"`
		} `yaml:"propagation"`
	}
	spec := source.Resolve(m.propagation.Content[source.Index(m.propagation, "spec")+1])
	if err := spec.Decode(&d.Propagation); err != nil {
		return "", err
	}
	prefixes := &d.Propagation.HeaderPrefixes
	if i := source.Index(spec, "headerPrefix"); i >= 0 { // one, or a list
		value := source.Resolve(spec.Content[i+1])
		more := []string{value.Value}
		if value.Kind == yaml.SequenceNode {
			if err := value.Decode(&more); err != nil {
				return "", err
			}
		}
		*prefixes = append(*prefixes, more...)
	}
	text, err := source.Dump(d)
	return tagHeaders + propagationComment + string(text), err
}

// declareTagHeaders returns the declaration of the tag headers, or "" if config has
// one, or there is nothing to declare.
func declareTagHeaders(config *yaml.Node, table *rules.Table, o rules.Options) (string, error) {
	var d struct {
		TagHeaders struct {
			Headers        []string `yaml:"headers,omitempty"`
			HeaderPrefixes []string `yaml:"headerPrefixes,omitempty"`
		} `yaml:"tagHeaders"`
	}
	headers, prefixes := &d.TagHeaders.Headers, &d.TagHeaders.HeaderPrefixes
	add := func(names *[]string, name string) {
		if name = strings.ToLower(name); !slices.Contains(*names, name) {
			*names = append(*names, name)
		}
	}
	for _, name := range o.TagHeaders.Headers {
		add(headers, name)
	}
	for _, prefix := range o.TagHeaders.Prefixes {
		add(prefixes, prefix)
	}
	if o.TagHeaders.IsZero() {
		*headers = table.TagHeaders() // in their order, not in that of the alphabet
	}
	if source.Index(config, "tagHeaders") >= 0 || len(*headers)+len(*prefixes) == 0 {
		return "", nil
	}
	text, err := source.Dump(d)
	return declarationComment + string(text), err
}
