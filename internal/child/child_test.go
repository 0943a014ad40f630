package child

import (
	"errors"
	"io/fs"
	"os/exec"
	"testing"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestStart checks that done is closed when wait has returned, with or without one
// of the caller's.
func TestStart(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", "exit 3")
	done, err := Start(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-done
	if got := cmd.ProcessState.ExitCode(); got != 3 {
		t.Errorf("the process ended with %d, want 3", got)
	}

	cmd = exec.Command("sh", "-c", "exit 4")
	var waited error
	if done, err = Start(cmd, func() { waited = cmd.Wait() }); err != nil {
		t.Fatal(err)
	}
	<-done
	if e, ok := errors.AsType[*exec.ExitError](waited); !ok || e.ExitCode() != 4 {
		t.Errorf("Wait = %v, want exit status 4", waited)
	}

	if _, err := Start(exec.Command("/no/such/program"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Start of no program: %v, want that it does not exist", err)
	}
}
