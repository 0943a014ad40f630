package rulefile

import (
	"os"
	"path/filepath"
)

// A place is a directory with a rules file, and the ways in which people and
// machines change such a file.
type place struct {
	t   tb
	dir string
}

func (p place) path(name ...string) string {
	return filepath.Join(append([]string{p.dir}, name...)...)
}

func (p place) file() string { return p.path("rules.yaml") }

func (p place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// write truncates the file and writes it in place.
func (p place) write(content string) {
	p.must(os.WriteFile(p.file(), []byte(content), 0o644))
}

// replace writes another file and renames it over the file.
func (p place) replace(content string) {
	p.must(os.WriteFile(p.path("new"), []byte(content), 0o644))
	p.must(os.Rename(p.path("new"), p.file()))
}

func (p place) remove() { p.must(os.RemoveAll(p.file())) }

// link makes the file a symbolic link to target, at once.
func (p place) link(target string) {
	p.must(os.Symlink(target, p.path("link")))
	p.must(os.Rename(p.path("link"), p.file()))
}

// mount publishes a version of a ConfigMap as kubelet does: a directory with
// its name, the link ..data swapped to it, and the file as a link into ..data.
func (p place) mount(version, content string) {
	old, _ := os.Readlink(p.path("..data"))
	p.must(os.Mkdir(p.path(version), 0o755))
	p.must(os.WriteFile(p.path(version, "rules.yaml"), []byte(content), 0o644))
	p.must(os.Symlink(version, p.path("..data_tmp")))
	p.must(os.Rename(p.path("..data_tmp"), p.path("..data")))
	if old == "" {
		p.must(os.Symlink("..data/rules.yaml", p.file()))
		return
	}
	p.must(os.RemoveAll(p.path(old)))
}
