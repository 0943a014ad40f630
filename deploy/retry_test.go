package deploy

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRetry checks that tools/retry runs a download again until it succeeds, four times at
// most, prints each failure, and ends with the last one.
func TestRetry(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fails     string // how often the command fails
		runs, end int
	}{{"0", 1, 0}, {"1", 2, 0}, {"3", 4, 0}, {"9", 4, 7}} {
		dir := t.TempDir()
		const command = `echo run >>runs; [ "$(wc -l <runs)" -gt "$1" ] || exit 7`
		retry, err := filepath.Abs("../tools/retry")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), retry, "sh", "-c", command, "sh", tt.fails)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "RETRY_PAUSES=0 0 0")
		out, err := cmd.CombinedOutput()
		end := 0
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			end = e.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		runs := strings.Count(read(t, filepath.Join(dir, "runs")), "run")
		if printed := strings.Count(string(out), " ended with 7; it is run again in 0 s\n"); runs != tt.runs || end != tt.end || printed != tt.runs-1 {
			t.Errorf("a command that fails %s times is run %d times, ends with %d and is reported %d times, want %d, %d and %d:\n%s", tt.fails, runs, end, printed, tt.runs, tt.end, tt.runs-1, out)
		}
	}
}
