package istio

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// A block is one of shell in a document, and what it prints.
type block struct {
	line   int // of its first command, from 1
	script string
	prints string // "" where the document does not say
}

// fence matches a block, which may stand in an item of a list.
var fence = regexp.MustCompile("(?m)^( *)```(\\w+)\n((?:.*\n)*?) *```$")

// blocks returns the sh blocks of text, which begins at a line. The text block that
// comes next is what one prints.
func blocks(text string, line int) (all []block) {
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		indent, language, content := text[m[2]:m[3]], text[m[4]:m[5]], text[m[6]:m[7]]
		content = strings.ReplaceAll("\n"+content, "\n"+indent, "\n")[1:]
		switch {
		case language == "sh":
			all = append(all, block{line: line + strings.Count(text[:m[6]], "\n"), script: content})
		case language == "text" && len(all) > 0 && all[len(all)-1].prints == "":
			all[len(all)-1].prints = content
		}
	}
	return all
}

// address matches what no two clusters have in common.
var address = regexp.MustCompile(`\bip: [0-9.]+`)

// TestDocs runs docs/istio.md block by block, as a reader does who copies them into a
// terminal, in a directory with the files of the repository.
func TestDocs(t *testing.T) {
	t.Parallel()
	text := read(t, "../../docs/istio.md")
	const again = "\n## From a running ASM setup\n"
	at := strings.Index(text, again)
	if at < 0 {
		t.Fatalf("docs/istio.md has no section %q", strings.TrimSpace(again))
	}
	for _, tt := range []struct {
		name      string
		blocks    []block
		noGateway bool
	}{
		{"from nothing", blocks(text[:at], 1), true},
		{"from ASM", blocks(text[at:], 1+strings.Count(text[:at], "\n")), false},
	} {
		if len(tt.blocks) < 5 {
			t.Errorf("%s: %d blocks were found, want more", tt.name, len(tt.blocks))
		}
		for _, release := range envoy.Versions() {
			t.Run(tt.name+" on Envoy "+release, func(t *testing.T) {
				t.Parallel()
				c := cluster.Start(t, cluster.Options{Envoy: release, NoGateway: tt.noGateway})
				s := c.NewShell(t, checkout(t))
				s.Run(t, `mkdir bin && ln -s "$(command -v tagproc)" bin/tagproc`)
				for _, b := range tt.blocks {
					follow(t, c, s, "docs/istio.md", b)
				}
			})
		}
	}
}

// TestReadme runs the README's quick start on Istio.
func TestReadme(t *testing.T) {
	t.Parallel()
	text := read(t, "../../README.md")
	const title = "\n## Quick start: Istio\n"
	before, section, _ := strings.Cut(text, title)
	section, _, _ = strings.Cut(section, "\n## ")
	steps := blocks(section, 1+strings.Count(before+title, "\n"))
	if len(steps) != 2 || steps[1].prints == "" {
		t.Fatalf("the section %q has %d blocks, want one that installs, and one that asks and what it prints", strings.TrimSpace(title), len(steps))
	}
	c := cluster.Start(t, cluster.Options{NoGateway: true})
	s := c.NewShell(t, checkout(t))
	s.Run(t, `mkdir bin && ln -s "$(command -v tagproc)" bin/tagproc`)
	for _, b := range steps {
		follow(t, c, s, "README.md", b)
	}
}

// checkout returns a directory that has what the commands of a document read, and
// takes what they write.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	deploy, err := filepath.Abs("../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(deploy, filepath.Join(dir, "deploy")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// follow runs a block. One that prints something is run until it prints what the
// document says: Istio and the kubelet take their time.
func follow(t *testing.T, c *cluster.Cluster, s *cluster.Shell, document string, b block) {
	t.Helper()
	place := fmt.Sprintf("%s:%d", document, b.line)
	if b.prints == "" {
		if out, err := s.Try(b.script); err != nil {
			t.Fatalf("%s: %v\n%s", place, err, out)
		}
		return
	}
	want := address.ReplaceAllString(b.prints, "ip: …")
	c.Eventually(t, place, func() error {
		out, err := s.Try(b.script)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		if got := address.ReplaceAllString(out, "ip: …"); got != want {
			return fmt.Errorf("the block printed\n%s\nwant\n%s", got, want)
		}
		return nil
	})
}
