package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks checks that links between documents lead to a file that is there, and to a
// heading of it.
func TestLinks(t *testing.T) {
	t.Parallel()
	var documents []string
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../docs/decisions/*.md", "../loadtest/*.md", "samples/*.md", "helm/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		documents = append(documents, found...)
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, document := range documents {
		text := read(t, document)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := document
			if file != "" {
				target = filepath.Join(filepath.Dir(document), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", document, m[1], err)
				continue
			}
			if anchor != "" && !anchors(read(t, target))[anchor] {
				t.Errorf("%s: link to %s: %s has no such heading", document, m[1], target)
			}
		}
	}
}

// TestReadmeIsShort checks that the README has at most the words that people read.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	if n := len(strings.Fields(read(t, "../README.md"))); n > 900 {
		t.Errorf("README.md has %d words, want 900 at most: the rest has a place in docs/", n)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// anchors returns what links say for the headings of a document, as GitHub makes it.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	fenced := false
	drop := regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		title := strings.TrimLeft(line, "#")
		if fenced || title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		all[strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-")] = true
	}
	return all
}

// TestArchitecture checks that docs/architecture.md names files and packages that are
// there, and leaves no package out.
func TestArchitecture(t *testing.T) {
	t.Parallel()
	text := read(t, "../docs/architecture.md")
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`((?:[a-z]+/)*[a-z_]+(?:\\.go|\\.yaml)?/?)`").FindAllStringSubmatch(text, -1) {
		named[strings.TrimSuffix(m[1], "/")] = true
		if !strings.Contains(m[1], "/") {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("docs/architecture.md names %s: %v", m[1], err)
		}
	}
	files, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../istio/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		if dir := filepath.ToSlash(filepath.Dir(file)[len("../"):]); !named[dir] && dir != "bench" {
			t.Errorf("docs/architecture.md does not name the package %s", dir)
		}
	}
}
