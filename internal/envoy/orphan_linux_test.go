package envoy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// parentEnv makes the test binary a program that runs Envoy until it is killed.
const parentEnv = "TAGPROC_TEST_ENVOY_PARENT"

func beParent() int {
	p, err := Start(context.Background(), Options{Config: []byte(os.Getenv(parentEnv))})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("envoy", p.cmd.Process.Pid)
	<-p.Done()
	return 1
}

func TestKilledParentLeavesNoEnvoy(t *testing.T) {
	t.Parallel()
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), parentEnv+"="+string(testConfig(t)), "TMPDIR="+t.TempDir())
	parent.Stderr = os.Stderr
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	_, scanErr := fmt.Fscanf(stdout, "envoy %d\n", &pid)
	if err := parent.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent ended without an error, though it was killed")
	}
	if scanErr != nil {
		t.Fatalf("couldn't learn the id of Envoy: %v", scanErr)
	}
	defer func() {
		if t.Failed() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	deadline := time.Now().Add(time.Minute)
	for running(t, pid) {
		if time.Now().After(deadline) {
			t.Fatalf("Envoy %d runs on after its parent was killed", pid)
		}
		time.Sleep(pollPause)
	}
}

// running is false for a zombie, which waits for an init process that reaps.
func running(t *testing.T, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		// The process can end between the opening and the reading of the file.
		return true
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
