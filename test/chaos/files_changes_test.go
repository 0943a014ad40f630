package chaos

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tagproc/tagproc/rules"
)

// rulesFiles is a directory with a rules file, or with what was put in its place.
type rulesFiles struct {
	t   *testing.T
	dir string
}

func (f *rulesFiles) path(name string) string { return filepath.Join(f.dir, name) }

// rules is the path of the rules file.
func (f *rulesFiles) rules() string { return f.path("rules.yaml") }

func (f *rulesFiles) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// write writes the rules file in place, behind the link if it is one.
func (f *rulesFiles) write(src []byte) {
	f.t.Helper()
	f.must(os.WriteFile(f.rules(), src, 0o644))
}

// rename puts a file in the place of the rules file in one step.
func (f *rulesFiles) rename(src []byte) {
	f.t.Helper()
	f.must(os.WriteFile(f.path("new"), src, 0o644))
	f.must(os.Rename(f.path("new"), f.rules()))
}

// link puts a symbolic link in the place of name in one step.
func (f *rulesFiles) link(target, name string) {
	f.t.Helper()
	f.must(os.Symlink(target, f.path("new")))
	f.must(os.Rename(f.path("new"), f.path(name)))
}

// swap does what the kubelet does when a ConfigMap has changed: ..data leads to a
// new directory, and the one before is removed.
func (f *rulesFiles) swap(n int) {
	f.t.Helper()
	before, err := os.Readlink(f.path("..data"))
	if err != nil && !os.IsNotExist(err) {
		f.t.Fatal(err)
	}
	data := fmt.Sprintf("..generation_%d", n)
	f.must(os.Mkdir(f.path(data), 0o755))
	f.must(os.WriteFile(filepath.Join(f.path(data), "rules.yaml"), generation(n), 0o644))
	f.link(data, "..data")
	if before != "" {
		f.must(os.RemoveAll(f.path(before)))
	}
}

// remove removes what is in the place of the rules file.
func (f *rulesFiles) remove() { f.must(os.RemoveAll(f.rules())) }

// A change puts the rules of generation n into place.
type change func(f *rulesFiles, n int)

// changes are the ways in which rules change, each on what the one before left.
var changes = []change{
	func(f *rulesFiles, n int) { f.rename(generation(n)) },
	func(f *rulesFiles, n int) { f.write(generation(n)) },
	func(f *rulesFiles, n int) { // the file becomes one of a ConfigMap
		f.swap(n)
		f.link("..data/rules.yaml", "rules.yaml")
	},
	(*rulesFiles).swap,
	behindLink,
}

// behindLink writes the file that the rules file is a link to. Nothing happens in
// the directory of the link.
func behindLink(f *rulesFiles, n int) {
	f.t.Helper()
	if _, err := os.Readlink(f.rules()); err != nil {
		f.must(os.Mkdir(f.path("elsewhere"), 0o755))
		f.must(os.Rename(f.rules(), f.path("elsewhere/rules.yaml")))
		f.link("elsewhere/rules.yaml", "rules.yaml")
	}
	f.write(generation(n))
}

// brokenFiles are files without valid rules. round counts, from 0, how often each was
// put in the place of the rules file.
var brokenFiles = []struct {
	name string
	put  func(f *rulesFiles, round int)
}{
	{"empty", func(f *rulesFiles, _ int) { f.write(nil) }},
	{"torn", func(f *rulesFiles, round int) { f.write(torn[round*7%len(torn)]) }},
	{"binary", func(f *rulesFiles, _ int) { f.write([]byte("\x7fELF\x02\x01\x01\x00\xff\xfe\x00")) }},
	{"an alias bomb", func(f *rulesFiles, _ int) { f.write(aliasBomb()) }},
	{"10 MiB", func(f *rulesFiles, _ int) {
		f.write(append(generation(0), bytes.Repeat([]byte("# filler\n"), 10<<20/9)...))
	}},
	{"deleted", func(f *rulesFiles, _ int) { f.remove() }},
	{"a dangling link", func(f *rulesFiles, _ int) { f.link("..data/nothing", "rules.yaml") }},
	{"a link to itself", func(f *rulesFiles, _ int) { f.link("rules.yaml", "rules.yaml") }},
	{"no permission", func(f *rulesFiles, _ int) { f.must(os.Chmod(f.rules(), 0)) }},
	{"a directory", func(f *rulesFiles, _ int) {
		f.remove()
		f.must(os.Mkdir(f.rules(), 0o755))
	}},
	{"a pipe", func(f *rulesFiles, _ int) {
		f.remove()
		f.must(syscall.Mkfifo(f.rules(), 0o644))
	}},
	{"a key that is not known", func(f *rulesFiles, _ int) { f.rename(append(generation(0), "roles: []\n"...)) }},
	{"a tag that is not owned", func(f *rulesFiles, _ int) {
		f.rename(bytes.ReplaceAll(generation(0), []byte("tagHeader: appver-a"), []byte("tagHeader: x-other")))
	}},
}

// torn are the beginnings of a good file that are not themselves valid. A valid
// beginning looks like an edit, unless the rest follows soon.
var torn = func() (all [][]byte) {
	good := generation(0)
	for n := 1; n < len(good); n++ {
		if table, _ := rules.Load("rules.yaml", good[:n], rules.Options{}); table == nil {
			all = append(all, good[:n])
		}
	}
	return all
}()

// aliasBomb is YAML of half a kilobyte that stands for 9^9 values.
func aliasBomb() []byte {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 9; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Join(slices.Repeat([]string{alias}, 9), ","))
	}
	b.WriteString("rules: *a8\n")
	return []byte(b.String())
}
