package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A recorder is a test that keeps what it says.
type recorder struct {
	testing.TB
	said []string
}

func (*recorder) Helper() {}

func (r *recorder) Errorf(format string, _ ...any) { r.said = append(r.said, format) }

func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(file, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &recorder{TB: t}
	Check(r, file, "a\n")
	if len(r.said) > 0 {
		t.Errorf("Check of equal text said %q", r.said)
	}
	Check(r, file, "b\n")
	if len(r.said) != 1 || !strings.HasPrefix(r.said[0], "differs from") {
		t.Errorf("Check of other text said %q, want that it differs", r.said)
	}

	*update = true
	defer func() { *update = false }()
	Check(r, file, "b\n")
	if got, err := os.ReadFile(file); string(got) != "b\n" || err != nil || len(r.said) != 1 {
		t.Errorf("with -update the file is %q, %v, and it said %q", got, err, r.said)
	}
}
