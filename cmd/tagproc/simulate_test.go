package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsSimulate checks the section on simulate of docs/rollouts.md: its commands print
// what stands there, and its table has every field of the JSON.
func TestDocsSimulate(t *testing.T) {
	text := section(t, readDoc(t, "../../docs/rollouts.md"), "Before there are users: simulate")
	t.Chdir(t.TempDir())
	simulate := func(args ...string) string {
		t.Helper()
		out, _ := printed(t, args...) // that of what is skewed is 1
		return out
	}
	blocks := regexp.MustCompile("(?ms)^```(yaml|console)\n(.*?)\n```$").FindAllStringSubmatch(text, -1)
	if len(blocks) != 4 {
		t.Fatalf("there are %d blocks, want two of rules, each with one of commands", len(blocks))
	}
	for i := 0; i < len(blocks); i += 2 {
		var want, got strings.Builder
		for line := range strings.Lines(blocks[i+1][2] + "\n") {
			command, is := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			if !is {
				want.WriteString(line)
				continue
			}
			args, isOurs := strings.CutPrefix(command, "tagproc ")
			if !isOurs {
				if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", command, err, out)
				}
				continue
			}
			words := strings.Fields(args)
			if err := os.WriteFile(words[1], []byte(blocks[i][2]), 0o600); err != nil {
				t.Fatal(err)
			}
			got.WriteString(simulate(words...))
		}
		if got.String() != want.String() {
			t.Errorf("%s\nprints\n%s", blocks[i+1][2], got.String())
		}
	}

	var report any
	out := simulate("simulate", "halves.yaml", "--ids", "elevens.txt", "-o", "json") + simulate("simulate", "rules.yaml", "--generate", "email", "--n", "1000", "-o", "json")
	keys := map[string]bool{}
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, below := range v {
				keys[k] = true
				collect(below)
			}
		case []any:
			for _, e := range v {
				collect(e)
			}
		}
	}
	for decoder := json.NewDecoder(strings.NewReader(out)); decoder.More(); collect(report) {
		if err := decoder.Decode(&report); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
	}
	documented := regexp.MustCompile("`[a-zA-Z0-9\\[\\].]*?([a-zA-Z0-9]+)(?:\\[\\])?`").FindAllStringSubmatch(text, -1)
	for k := range keys {
		if !slices.ContainsFunc(documented, func(m []string) bool { return m[1] == k }) {
			t.Errorf("the field %q is in no table", k)
		}
	}
	if len(keys) < 25 {
		t.Errorf("the JSON has %d fields, want all of them", len(keys))
	}
}
