package chart

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/internal/golden"
)

// TestReadme checks that the chart's README has a row for each value, as values.yaml
// describes it. With -update it writes them.
func TestReadme(t *testing.T) {
	t.Parallel()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text(t, "helm/tagproc/values.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	var walk func(prefix string, mapping *yaml.Node)
	walk = func(prefix string, mapping *yaml.Node) {
		for i := 0; i < len(mapping.Content); i += 2 {
			key, value := mapping.Content[i], mapping.Content[i+1]
			name := prefix + key.Value
			if key.HeadComment == "" && value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
				walk(name+".", value)
				continue
			}
			var said []string
			for line := range strings.Lines(key.HeadComment) {
				said = append(said, strings.TrimSpace(strings.TrimPrefix(line, "#")))
			}
			if len(said) == 0 {
				t.Errorf("values.yaml:%d: %s has no comment above it", key.Line, name)
			}
			value.Style |= yaml.FlowStyle
			shown, err := yaml.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			rows.WriteString("| `" + name + "` | `" + strings.TrimSpace(string(shown)) + "` | " + strings.ReplaceAll(strings.Join(said, " "), "|", `\|`) + " |\n")
		}
	}
	walk("", document.Content[0])
	const heading = "\n## Values\n\nMade of the comments of [values.yaml](values.yaml).\n\n| value | default | |\n|---|---|---|\n"
	before, _, found := strings.Cut(text(t, "helm/tagproc/README.md"), heading)
	if !found {
		t.Fatalf("README.md lacks%s", heading)
	}
	golden.Check(t, deploy+"/helm/tagproc/README.md", before+heading+rows.String())
}
