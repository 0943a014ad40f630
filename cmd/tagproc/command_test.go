package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fatih/color"

	"github.com/tagproc/tagproc/rules"
)

// TestExitCodes holds the exit codes that scripts rely on.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	for file, src := range map[string]string{good: "rules: []\n", bad: "rules:\n"} {
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"version"}, exitOK},
		{[]string{"validate", good}, exitOK},
		{[]string{"validate", bad}, exitProblems},
		{[]string{"validate", "-o", "json", bad}, exitProblems},
		{[]string{"validate", good, bad}, exitProblems},
		{[]string{"validate"}, exitUsage},
		{[]string{"validate", "--nope", good}, exitUsage},
		{[]string{"validate", "-o", "xml", good}, exitUsage},
		{[]string{"explain", "--rules", good}, exitOK},
		{[]string{"explain", "--rules", good, "--want", "tag=s2"}, exitProblems},
		{[]string{"explain", "--rules", bad}, exitProblems},
		{[]string{"explain"}, exitUsage},
		{[]string{"explain", "--rules", good, "-H", "jack"}, exitUsage},
		{[]string{"serve", "--rules", bad}, exitProblems},
		{[]string{"serve", "--rules", good, "--listen", "unix:///nowhere/at/all.sock"}, exitProblems},
		{[]string{"serve", "--rules", good, "--log-level", "loud"}, exitUsage},
		{[]string{"nope"}, exitUsage},
	} {
		root := newRootCommand()
		root.SetArgs(tt.args)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		if got := run(context.Background(), root); got != tt.want {
			t.Errorf("tagproc %s: exit code %d, want %d\n%s", strings.Join(tt.args, " "), got, tt.want, out.String())
		}
	}
}

// TestCaret holds what a problem looks like on a terminal: its line of the file,
// and a caret below the column.
func TestCaret(t *testing.T) {
	defer func(was bool) { color.NoColor = was }(color.NoColor)
	_, problems := rules.Load("rules.yaml", []byte("rules:\n- header: x-user-id\n  \"größe\":\t1\n"), rules.Options{})
	for _, p := range problems {
		if p.Kind != rules.KindUnknownKey {
			continue
		}
		color.NoColor = false
		var out bytes.Buffer
		writeProblems(&out, rules.Problems{p})
		if !strings.Contains(out.String(), "\x1b[") || !strings.Contains(out.String(), "    3 |   \"größe\":\t1\n      | \x1b") {
			t.Errorf("on a terminal:\n%s", out.String())
		}
		if got := caret(p); got != "  ^" {
			t.Errorf("caret = %q, want it below column 3", got)
		}
		return
	}
	t.Errorf("no unknown key among %v", problems)
}
