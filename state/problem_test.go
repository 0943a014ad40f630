package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/rules"
)

// TestProblemsHaveNoIDs checks that no problem of a file quotes whom its overrides name,
// in whatever form they stand there and whatever is wrong with them.
func TestProblemsHaveNoIDs(t *testing.T) {
	t.Parallel()
	const head = "rules:\n- header: x-user-id\n  tagHeader: tag\n  policies: [{range: 20, tagValue: s2}]\n"
	quoted := 0
	for _, src := range []string{
		head + "  overrides: [{values: [frida, frida], tagValue: s2}]\n",
		head + "  overrides: [{values: [\"frida\\u0001\"], tagValue: s2}]\n",
		head + "  overrides: [{values: [\"frida\\u00a0\"], tagValue: s2}]\n",
		head + "  overrides:\n  - tagValue: s2\n    values:\n    - frida\n    - frida\n",
		head + "  overrides:\n  - tagValue: s2\n    values:\n    - 4711\n    - 4711.5\n",
		head + "  overrides:\n  - tagValue: s2\n    values:\n    - \"frida: x\"\n    - \"frida: x\"\n",
		head + "  overrides:\n  - tagValue: s2\n    values:\n    - frida\n    - [frida]\n",
		head + "  overrides: [{values: frida, tagValue: s2}]\n",
		head + "  overrides: [{values: [frida], tagVale: s2}]\n",
		head + "  overrides: [{values: [frida}]\n",
		head + "  overrides: [{values: [frida,\n    frida], tagValue: s2}]\n",
		`{"rules": [{"header": "x-user-id", "tagHeader": "tag", "overrides": [{"values": [` + "\n\"frida\",\n\"frida\"" + `], "tagValue": "s2"}], "policies": []}]}`,
	} {
		_, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
		if len(problems) == 0 {
			t.Errorf("nothing is wrong with\n%s", src)
		}
		for i := range problems {
			p := NewProblem(&problems[i])
			if text := problems[i].Message + problems[i].Source; strings.Contains(text, "frida") || strings.Contains(text, "4711") {
				quoted++
			}
			if text := p.Message + p.Source; strings.Contains(text, "frida") || strings.Contains(text, "4711") {
				t.Errorf("%s\n%s\nhas the id of a user in\n%s", p.String(), p.Source, src)
			}
		}
	}
	if quoted < 10 {
		t.Errorf("%d problems quote an id before it is left out: the test shows little", quoted)
	}
}

// TestProblemsSayWhatIsWrong checks that all other problems stay as they are.
func TestProblemsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../rules/testdata/err/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, problems := rules.Load(file, src, rules.Options{})
		for i := range problems {
			p := &problems[i]
			aboutUsers := p.Kind == rules.KindOverride || strings.Contains(p.Message, "values")
			if got := NewProblem(p); !aboutUsers && got.Message != p.Message {
				t.Errorf("%s becomes %q", p, got.Message)
			}
		}
	}
}

// TestWithoutIDs checks what is left of a line, and that columns stay.
func TestWithoutIDs(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"  range: 2O":                        "  range: 2O",
		"- {name: checkout, headr: x}":       "- {name: checkout, headr: x}",
		"    - frida":                        "    - ·····",
		"  overrides: [{values: [jason, bö]": "  overrides: [{values: [·····, ··]",
		`"values": ["jason"],`:               `"values": ["·····"],`,
		`  - "frida: x"`:                     `  - "·····: ·"`,
		"\tvalues:":                          "\tvalues:",
		"  'header': x-user-id":              "  'header': x-user-id",
		"":                                   "",
	} {
		if got := withoutIDs(line); got != want {
			t.Errorf("withoutIDs(%q) = %q, want %q", line, got, want)
		}
	}
}
