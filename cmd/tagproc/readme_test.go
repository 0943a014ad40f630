package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// story runs the steps of a rollout, one after another, on a copy of a rules file.
func story(t *testing.T, rules, steps string, command func(args ...string) string) {
	t.Helper()
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for step := range strings.Lines(steps) {
		step, _, _ = strings.Cut(step, "#")
		args := strings.Fields(strings.ReplaceAll(step, "rules.yaml", file))
		if len(args) < 2 || args[1] != "rollout" {
			continue // status needs replicas
		}
		ran++
		if out := command(args[1:]...); args[2] == "set" && !strings.Contains(out, "users who change a tag: 5%") {
			t.Errorf("%s prints\n%s\nand the README says that 5%% move", step, out)
		}
	}
	if ran != 5 {
		t.Errorf("%d steps of a rollout ran, want 5, of\n%s", ran, steps)
	}
}

// TestReadme checks what the README shows: its rules file is without fault, and
// explain and the demo print what stands there.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language, contains string) string {
		t.Helper()
		for _, b := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)\n```$").FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(b[1], contains) {
				return b[1] + "\n"
			}
		}
		t.Fatalf("the README has no %s block with %q", language, contains)
		return ""
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(block("yaml", "tagHeaders")), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) string {
		t.Helper()
		out, code := printed(t, args...)
		if code != exitOK {
			t.Errorf("%s: exit code %d\n%s", strings.Join(args, " "), code, out)
		}
		return out
	}
	command("validate", file)
	story(t, file, block("sh", "rollout set"), command)
	if got, want := command("explain", "--rules", file, "-H", "x-user-id: jack"), block("text", "rules digest"); got != want {
		t.Errorf("explain prints\n%s\nand the README shows\n%s", got, want)
	}
	if got, want := command("demo", "--once"), block("text", "Walk-through"); got != want {
		t.Errorf("demo --once prints\n%s\nand the README shows\n%s", got, want)
	}
}

// printed returns what a command prints, errors and all, and its exit code.
func printed(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	root := newRootCommand()
	root.SetArgs(args)
	var b bytes.Buffer
	root.SetOut(&b)
	root.SetErr(&b)
	code = run(t.Context(), root)
	return b.String(), code
}
