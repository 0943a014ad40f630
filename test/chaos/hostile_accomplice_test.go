package chaos

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/hostile"
)

// roleVariable makes the test binary play a role instead of testing.
const roleVariable = "TAGPROC_CHAOS_ROLE"

// A role is what a process besides the test does until ctx ends. It says one line
// when it has begun, and one at its end.
type role func(ctx context.Context, args []string, say func(line string)) error

var roles = map[string]role{"flood": hostile.FloodRole, "inotify": inotifyRole}

// play plays the role that the variable says, with its arguments, until standard
// input ends, and with it the test. It returns the exit code.
func play(line string) int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	words := strings.Fields(line)
	if err := roles[words[0]](ctx, words[1:], func(line string) { fmt.Println(line) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// An accomplice is a process that plays a role.
type accomplice struct {
	cmd     *exec.Cmd
	input   io.Closer
	output  *bufio.Reader
	trouble strings.Builder
}

// recruit has a process play a role until the test ends, and returns when it has
// begun.
func recruit(t *testing.T, words ...string) *accomplice {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Peers elsewhere would take no CPU of this machine: these take what is left.
	a := &accomplice{cmd: exec.Command("nice", "-n", "19", program)}
	a.cmd.Env = append(os.Environ(), roleVariable+"="+strings.Join(words, " "))
	a.cmd.Stderr = &a.trouble
	output, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.output = bufio.NewReader(output)
	if a.input, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.dismiss(t) })
	a.hear(t)
	return a
}

// hear returns the next line that the accomplice says.
func (a *accomplice) hear(t *testing.T) string {
	t.Helper()
	line, err := a.output.ReadString('\n')
	if err != nil {
		_ = a.cmd.Wait()
		t.Fatalf("%s: %v, %v\n%s", a.cmd.Env[len(a.cmd.Env)-1], err, a.cmd.ProcessState, a.trouble.String())
	}
	return strings.TrimSpace(line)
}

// dismiss ends the role. A second time does nothing.
func (a *accomplice) dismiss(t *testing.T) (last string) {
	t.Helper()
	if a.cmd.ProcessState != nil {
		return ""
	}
	a.input.Close()
	last = a.hear(t)
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", a.cmd.Env[len(a.cmd.Env)-1], err, a.trouble.String())
	}
	return last
}
