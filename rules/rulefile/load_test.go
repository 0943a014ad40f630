package rulefile

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

func TestRead(t *testing.T) {
	t.Parallel()
	p := place{t, t.TempDir()}
	p.write(tagging("v1"))
	l := Read(p.file(), rules.Options{})
	if l.Table == nil || len(l.Problems) > 0 || state(l) != "v1" {
		t.Errorf("Read = %s with problems %v, want v1 without any", state(l), l.Problems)
	}
	p.link("rules-1.yaml")
	p.must(os.WriteFile(p.path("rules-1.yaml"), []byte(tagging("v2")), 0o644))
	if got := state(Read(p.file(), rules.Options{})); got != "v2" {
		t.Errorf("Read of a link = %s, want v2", got)
	}
}

func TestReadOptions(t *testing.T) {
	t.Parallel()
	p := place{t, t.TempDir()}
	p.write(tagging("v1"))
	want := rules.Owned{Headers: []string{"x-other", "x-tag"}}
	l := Read(p.file(), rules.Options{TagHeaders: want})
	if l.Table == nil {
		t.Fatal(l.Problems.Err())
	}
	if diff := cmp.Diff(want.Headers, l.Table.Owned().Headers); diff != "" {
		t.Errorf("Owned().Headers (-want +got):\n%s", diff)
	}
}

// TestReadUnreadable checks that messages about unreadable files say what is wrong and
// what to do.
func TestReadUnreadable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		setup func(p place)
		want  string // after the path and a colon
	}{
		{
			"missing", func(place) {},
			"does not exist: create it or correct the path [unreadable]",
		},
		{
			"directory", func(p place) { p.must(os.Mkdir(p.file(), 0o755)) },
			"is a directory: name a file in it [unreadable]",
		},
		{
			"dangling link", func(p place) { p.link("..data/rules.yaml") },
			`is a symbolic link to "..data/rules.yaml", which does not exist: create that file or correct the link [unreadable]`,
		},
		{
			"link to itself", func(p place) { p.link("rules.yaml") },
			"cannot be read: too many levels of symbolic links: check the path and the volume that holds the file [unreadable]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := place{t, t.TempDir()}
			tt.setup(p)
			checkUnreadable(t, p.file(), tt.want)
		})
	}
}

func checkUnreadable(t *testing.T, path, want string) {
	t.Helper()
	l := Read(path, rules.Options{})
	if l.Table != nil || len(l.Problems) != 1 {
		t.Fatalf("Read = table %v, problems %v, want one problem", l.Table, l.Problems)
	}
	if got := l.Problems[0].String(); got != path+": "+want {
		t.Errorf("Read says %q, want %q", got, path+": "+want)
	}
}

// TestReadRefused checks that package rules refuses files that can be read and hold no
// rules.
func TestReadRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content string
		want          source.Kind
	}{
		{"empty", "", source.KindEmpty},
		{"2 MiB", tagging("v1") + strings.Repeat("# filler\n", 2<<20/9), source.KindTooLarge},
		{"1 MiB and 1 byte", tagging("v1") + "#" + strings.Repeat("x", 1<<20-len(tagging("v1"))), source.KindTooLarge},
		{"binary", "\x7fELF\x02\x01\x01\x00\xff\xfe", source.KindEncoding},
		{"torn", tagging("v1")[:len("rules:\n")], source.KindMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := place{t, t.TempDir()}
			p.write(tt.content)
			l := Read(p.file(), rules.Options{})
			if l.Table != nil || len(l.Problems) == 0 {
				t.Fatalf("Read = table %v, problems %v, want a refusal", l.Table, l.Problems)
			}
			if got := l.Problems[0].Kind; got != tt.want {
				t.Errorf("Read says %s (%s), want %s", got, l.Problems[0], tt.want)
			}
		})
	}
}

// TestReadLargest checks that a file of exactly the largest size is read whole.
func TestReadLargest(t *testing.T) {
	t.Parallel()
	p := place{t, t.TempDir()}
	p.write(tagging("v1") + "#" + strings.Repeat("x", rules.MaxFileSize-len(tagging("v1"))-1))
	if got := state(Read(p.file(), rules.Options{})); got != "v1" {
		t.Errorf("Read = %s, want v1", got)
	}
}

// TestLookBounded checks that a file that is far too large is read only as far as it takes
// to see that.
func TestLookBounded(t *testing.T) {
	t.Parallel()
	p := place{t, t.TempDir()}
	p.write("")
	p.must(os.Truncate(p.file(), 1<<40))
	if got, want := len(look(p.file()).src), rules.MaxFileSize+1; got != want {
		t.Errorf("look read %d bytes, want %d", got, want)
	}
}
