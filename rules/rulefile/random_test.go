package rulefile

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/rules"
)

// TestRandomChanges checks that, once the file is left alone, what was applied last is what
// a new reader sees; that nothing is applied twice in a row; and that the valid beginning
// of a file that is still being written is never applied.
func TestRandomChanges(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "rules")
	rapid.Check(t, func(t *rapid.T) {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		rapid.SyncTest(t, func(t *rapid.T) {
			p := place{t, dir}
			a := follow(t, pollOnly(p), Load{})
			c := changer{place: p, t: t}
			t.Repeat(map[string]func(*rapid.T){
				"write":   func(*rapid.T) { c.clear(); p.write(c.content()) },
				"replace": func(*rapid.T) { c.clear(); p.replace(c.content()) },
				"tear":    func(*rapid.T) { c.tear() },
				"remove":  func(*rapid.T) { p.remove() },
				"occupy":  func(*rapid.T) { p.remove(); p.must(os.Mkdir(p.file(), 0o755)) },
				"dangle":  func(*rapid.T) { c.clear(); p.link("nowhere") },
				"mount":   func(*rapid.T) { c.mountNext() },
				"chmod":   func(*rapid.T) { _ = os.Chmod(p.file(), 0o600) }, // nothing there to change is fine
				"rest":    func(*rapid.T) { time.Sleep(c.pause(3 * time.Second)) },
			})
			time.Sleep(10 * time.Second)

			loads := a.all()
			if len(loads) == 0 {
				t.Fatal("nothing was applied")
			}
			if got, want := loads[len(loads)-1], Read(p.file(), rules.Options{}); got.version != want.version {
				t.Errorf("applied %s last, want %s", state(got), state(want))
			}
			for i, l := range loads {
				if i > 0 && l.version == loads[i-1].version {
					t.Errorf("applied %s twice in a row", state(l))
				}
				if state(l) == "no tags" {
					t.Error("applied the beginning of a file")
				}
			}
		})
	})
}

// A changer changes a place in ways drawn by t.
type changer struct {
	place
	t *rapid.T
	n int // of the last version of the ConfigMap, and of the last torn file
}

// clear makes way for a file: a directory, or a link to nowhere, cannot be
// written to.
func (c *changer) clear() {
	if info, err := os.Stat(c.file()); err != nil || info.IsDir() {
		c.remove()
	}
}

// content is a small choice, so that old content comes back.
func (c *changer) content() string {
	return rapid.SampledFrom([]string{tagging("v1"), tagging("v2"), "", "rules: [", "roles: []"}).Draw(c.t, "content")
}

func (c *changer) pause(limit time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(0, int64(limit-1)).Draw(c.t, "pause"))
}

// tear writes a file in two parts, with less than the debounce between them. No
// two beginnings are the same, or two of them could look like one at rest.
func (c *changer) tear() {
	c.clear()
	c.n++
	c.write(fmt.Sprintf("rules: []\n# %d\n", c.n))
	time.Sleep(c.pause(debounce))
	c.write(c.content())
}

func (c *changer) mountNext() {
	c.n++
	if target, _ := os.Readlink(c.file()); target != "..data/rules.yaml" {
		c.remove()
		p := c.path("..data")
		c.must(os.RemoveAll(p))
	}
	c.mount(fmt.Sprintf("..2026_%d", c.n), c.content())
}
