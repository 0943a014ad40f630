package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// TestExitCodes checks the exit codes that scripts rely on.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	some, same, other, torn := filepath.Join(dir, "some.yaml"), filepath.Join(dir, "same.csv"), filepath.Join(dir, "other.csv"), filepath.Join(dir, "torn.csv")
	lanes := filepath.Join(dir, "lanes.yaml")
	travels := filepath.Join(dir, "travels.yaml")
	for file, src := range map[string]string{
		travels: "propagation: {headers: [tag]}\nrules: [{header: x-user-id, tagHeader: tag, policies: [{range: 100, tagValue: s2}]}]\n",
		lanes:   "{laneGroup: g, routeHeader: x-lane, services: [a], lanes: [{name: s1, labels: {lane: s1}}]}\n",
		good:    "rules: []\n", bad: "rules:\n",
		some: "rules: [{header: x-user-id, tagHeader: tag, policies: [{range: 100, tagValue: s2}]}]\n",
		same: "id,tag\njack,s2\n", other: "id,tag\njack,s1\n", torn: "id,tag\njack\n",
	} {
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
		{[]string{"convert", good}, exitOK},
		{[]string{"convert", bad}, exitProblems},
		{[]string{"convert"}, exitUsage},
		{[]string{"verify", "--rules", some, "--observed", same}, exitOK},
		{[]string{"verify", "--rules", some, "--observed", other}, exitProblems},
		{[]string{"verify", "--rules", some, "--observed", other, "-o", "json"}, exitProblems},
		{[]string{"verify", "--rules", some, "--observed", torn}, exitUnable},
		{[]string{"verify", "--rules", some, "--observed", dir}, exitUnable},
		{[]string{"verify", "--rules", some, "--observed", filepath.Join(dir, "gone.csv")}, exitUnable},
		{[]string{"verify", "--rules", bad, "--observed", same}, exitUnable},
		{[]string{"verify", "--rules", good, "--observed", same}, exitUnable},
		{[]string{"verify", "--rules", some, "--observed", same, "--column", "tag=lane"}, exitUsage},
		{[]string{"verify", "--rules", some}, exitUsage},
		{[]string{"render", "envoyfilter", "--rules", some}, exitOK},
		{[]string{"render", "envoyfilter", "--rules", bad}, exitProblems},
		{[]string{"render", "envoyfilter", "--rules", good}, exitProblems},
		{[]string{"render", "envoyfilter", "--rules", some, "--phase", "stats"}, exitUsage},
		{[]string{"render", "lanes", lanes}, exitOK},
		{[]string{"render", "lanes", good}, exitProblems},
		{[]string{"render", "lanes"}, exitUsage},
		{[]string{"render", "propagation", travels}, exitOK},
		{[]string{"render", "propagation", some}, exitProblems},
		{[]string{"render", "propagation", bad}, exitProblems},
		{[]string{"render", "propagation"}, exitUsage},
		{[]string{"render", "propagation", travels, "--data-path", "wasm"}, exitUsage},
		{[]string{"render", "recompute", "--rules", some}, exitOK},
		{[]string{"render", "recompute", "--rules", good}, exitProblems},
		{[]string{"render", "recompute"}, exitUsage},
		{[]string{"render", "nothing"}, exitUsage},
		{[]string{"serve", "--rules", bad}, exitProblems},
		{[]string{"serve", "--rules", good, "--listen", "unix:///nowhere/at/all.sock"}, exitProblems},
		{[]string{"serve", "--rules", good, "--log-level", "loud"}, exitUsage},
		{[]string{"serve", "--rules", good, "--tag-header", "a b"}, exitUsage},
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

// TestProblem checks what a problem looks like on a terminal: its line of the
// file, and a caret below the column.
func TestProblem(t *testing.T) {
	_, problems := rules.Load("rules.yaml", []byte("rules:\n- header: x-user-id\n  policies:\t[1]\n"), rules.Options{})
	var p source.Problem
	for _, found := range problems {
		if found.Kind == source.KindType {
			p = found
		}
	}
	var plain, colored strings.Builder
	writeProblem(terminal.New(&plain), p)
	writeProblem(terminal.Colored(&colored), p)
	want := "rules.yaml:3:14: error: a policy is the number 1; expected a mapping with the keys from, range, ramp, allowDecrease, tagValue [type]\n" +
		"    3 |   policies:\t[1]\n" +
		"      |            \t ^\n"
	if plain.String() != want {
		t.Errorf("without colours:\n%s\nwant:\n%s", plain.String(), want)
	}
	if got := regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(colored.String(), ""); got != want || colored.String() == want {
		t.Errorf("with colours: %q, want them, and no other difference", colored.String())
	}
}
