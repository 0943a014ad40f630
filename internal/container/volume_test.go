package container

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWriteVolume replaces a volume's files: who has opened ..data sees all of the old or
// all of the new.
func TestWriteVolume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	read := func() map[string]string {
		t.Helper()
		all := map[string]string{}
		links, err := filepath.Glob(filepath.Join(dir, "[^.]*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if to, err := os.Readlink(link); err != nil || to != filepath.Join("..data", filepath.Base(link)) {
				t.Errorf("%s leads to %q, %v, want below ..data", link, to, err)
			}
			if text, err := os.ReadFile(link); err == nil {
				all[filepath.Base(link)] = string(text)
			} else if text, err := os.ReadFile(filepath.Join(link, "below")); err == nil {
				all[filepath.Base(link)+"/below"] = string(text)
			} else {
				t.Error(err)
			}
		}
		return all
	}
	before := ""
	for _, files := range []map[string][]byte{
		{"a": []byte("1"), "b": []byte("2")},
		{"a": []byte("3"), "deep/below": []byte("4")},
		{},
	} {
		if err := WriteVolume(dir, files); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for name, content := range files {
			want[name] = string(content)
		}
		if diff := cmp.Diff(want, read()); diff != "" {
			t.Errorf("the volume differs (-want +got):\n%s", diff)
		}
		data, err := os.Readlink(filepath.Join(dir, "..data"))
		if err != nil || data == before {
			t.Errorf("..data leads to %q, %v, want another directory than before", data, err)
		}
		if before != "" {
			if _, err := os.Stat(filepath.Join(dir, before)); err == nil {
				t.Errorf("%s is there still", before)
			}
		}
		before = data
	}
}
