package paint

import (
	"strings"
	"testing"

	"github.com/fatih/color"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWith(t *testing.T) {
	t.Parallel()
	if got := With(false, color.Bold).Sprint("x"); got != "x" {
		t.Errorf("without colours: %q, want x", got)
	}
	if got := With(true, color.Bold).Sprint("x"); !strings.Contains(got, "\x1b[1m") || !strings.Contains(got, "x") {
		t.Errorf("with colours: %q, want x in bold", got)
	}
}
