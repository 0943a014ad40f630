package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestBlankLines checks that commands which read users end when they are told to, also in a
// file without any.
func TestBlankLines(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	endless := blankLines{read: func() { cancel(errors.New("told to end")) }, t: t}
	_, err := io.Copy(io.Discard, untilEnd{ctx, &endless})
	if err == nil || !strings.Contains(err.Error(), "told to end") || endless.n != 1 {
		t.Errorf("after %d reads: %v, want the end after one", endless.n, err)
	}
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	writeRules(t, rules, oneRule)
	for _, args := range [][]string{{"simulate", rules, "--ids", "-"}, {"diff", rules, rules, "--ids", "-"}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cmd := newRootCommand()
		var out strings.Builder
		cmd.SetIn(&blankLines{read: func() { cancel(errors.New("told to end")) }, t: t})
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(args)
		if err := cmd.ExecuteContext(ctx); err == nil || !strings.Contains(out.String()+err.Error(), "told to end") {
			t.Errorf("%q ends with %v, and says %q", args, err, out.String())
		}
	}
}

// blankLines are 2 GB of them.
type blankLines struct {
	read func()
	t    *testing.T
	n    int
}

func (b *blankLines) Read(p []byte) (int, error) {
	b.read()
	if b.n++; b.n > 1<<15 {
		b.t.Error("2 GB of blank lines are read")
		return 0, io.EOF
	}
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

// TestChart checks that a chart takes the place of a symbolic link, and not that of the file
// behind it, and that a pipe or device is written to.
func TestChart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "chart.svg")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Symlink(victim, link)); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{link, os.DevNull} {
		if err := writeChart(to, []byte("<svg/>")); err != nil {
			t.Error(err)
		}
	}
	info, err := os.Lstat(link)
	text, readErr := os.ReadFile(victim)
	if err != nil || readErr != nil || !info.Mode().IsRegular() || string(text) != "mine" {
		t.Errorf("the chart is %v, %v, and the file behind the link has %q, %v", info.Mode(), err, text, readErr)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is %v, %v", os.DevNull, info.Mode(), err)
	}
}

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
