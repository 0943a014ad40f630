package child

import (
	"os/exec"
	"runtime"
)

// Start starts cmd, which is then killed when this process ends, and which a Ctrl-C
// in a terminal does not reach. wait is called once it has started, and returns
// with the result of cmd.Wait when it has ended, and may be nil. done is closed when
// wait has returned.
func Start(cmd *exec.Cmd, wait func()) (done <-chan struct{}, err error) {
	if wait == nil {
		wait = func() { _ = cmd.Wait() } // how it ended stands in cmd.ProcessState
	}
	bind(cmd)
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The kernel sends the parent-death signal when the thread that started the
		// child ends, not when the process does: nothing else may use this one.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			defer close(ended)
			wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return ended, nil
}
