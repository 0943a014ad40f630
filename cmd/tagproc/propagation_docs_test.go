package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocsPropagation checks that docs/propagation.md has commands that exist, with
// flags that they have, and links that lead somewhere.
func TestDocsPropagation(t *testing.T) {
	t.Parallel()
	text := readDoc(t, "../../docs/propagation.md")
	commands := regexp.MustCompile(`(?m)^ *tagproc ([^|\n]*)`).FindAllStringSubmatch(text, -1)
	if len(commands) < 6 {
		t.Errorf("there are %d commands, want all of them to be found", len(commands))
	}
	for _, c := range commands {
		root := newRootCommand()
		cmd, args, err := root.Find(strings.Fields(strings.ReplaceAll(c[1], "'x-user-id: 0005'", "x-user-id:0005")))
		if err == nil {
			err = cmd.ParseFlags(args)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err == nil {
			err = cmd.ValidateRequiredFlags()
		}
		if err != nil {
			t.Errorf("tagproc %s: %v", c[1], err)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
		path := filepath.Join("..", "..", "docs", filepath.FromSlash(link[1]))
		src, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("the link to %s leads nowhere: %v", link[1], err)
			continue
		}
		if anchor := strings.TrimPrefix(link[2], "#"); anchor != "" && !hasHeading(string(src), anchor) {
			t.Errorf("%s has no heading #%s", link[1], anchor)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		if !hasHeading(text, link[1]) {
			t.Errorf("there is no heading #%s", link[1])
		}
	}
}

// hasHeading reports whether a document has a heading of this anchor.
func hasHeading(text, anchor string) bool {
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		words := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(h[1]), "")
		if strings.ReplaceAll(words, " ", "-") == anchor {
			return true
		}
	}
	return false
}
