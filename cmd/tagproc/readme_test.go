package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

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
		root := newRootCommand()
		root.SetArgs(args)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		if code := run(t.Context(), root); code != exitOK {
			t.Errorf("%s: exit code %d\n%s", strings.Join(args, " "), code, out.String())
		}
		return out.String()
	}
	command("validate", file)
	if got, want := command("explain", "--rules", file, "-H", "x-user-id: jack"), block("text", "rules digest"); got != want {
		t.Errorf("explain prints\n%s\nand the README shows\n%s", got, want)
	}
	if got, want := command("demo", "--once"), block("text", "Walk-through"); got != want {
		t.Errorf("demo --once prints\n%s\nand the README shows\n%s", got, want)
	}
}
