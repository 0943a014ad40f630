package rulefile

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/rules"
)

// TestContent holds that Content reads what Read loads, and fails as Read does.
func TestContent(t *testing.T) {
	t.Parallel()
	p := place{t, t.TempDir()}
	if src, problems := Content(p.file()); src != nil || !cmp.Equal(problems, Read(p.file(), rules.Options{}).Problems) || len(problems) != 1 {
		t.Errorf("Content of no file = %q, %v, want the problem of Read", src, problems)
	}
	p.write(tagging("v1"))
	if src, problems := Content(p.file()); string(src) != tagging("v1") || problems != nil {
		t.Errorf("Content = %q, %v, want what was written", src, problems)
	}
}
