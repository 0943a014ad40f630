package deploy

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestRules checks that the example rules have no problem.
func TestRules(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("envoy/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	table, problems := rules.Load("rules.yaml", src, rules.Options{})
	if problems = exceptCohorts(problems); table == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
}

// TestVisitors checks that the rules for visitors have no problem, that visitors.yaml
// has what they need, and that what docs/envoy.md shows of it is in it.
func TestVisitors(t *testing.T) {
	t.Parallel()
	table, problems := rules.Load("visitors-rules.yaml", VisitorsRules, rules.Options{})
	if table == nil || len(problems) > 0 || len(table.Visitors()) == 0 {
		t.Fatalf("problems %v, want rules with a visitor and no problem", problems)
	}
	envoytest.Bootstrap(t, EnvoyVisitors)
	var lines []string
	for line := range strings.Lines(EnvoyVisitors) {
		lines = append(lines, strings.TrimSpace(line))
	}
	for _, name := range table.Forwarded() {
		if !slices.Contains(lines, "- {exact: "+name+"}") && !slices.Contains(lines, "- {exact: '"+name+"'}") {
			t.Errorf("visitors.yaml does not forward %s", name)
		}
	}
	text, err := os.ReadFile("../docs/envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Visitors\n")
	section, _, _ = strings.Cut(section, "\n## ")
	shown := 0
	for i, block := range strings.Split(section, "```") {
		if i%2 == 0 {
			continue
		}
		for line := range strings.Lines(strings.TrimPrefix(block, "yaml\n")) {
			if shown++; !slices.Contains(lines, strings.TrimSpace(line)) {
				t.Errorf("docs/envoy.md shows %q, which visitors.yaml does not have", line)
			}
		}
	}
	if shown < 8 {
		t.Errorf("docs/envoy.md shows %d lines, want those of visitors", shown)
	}
}
