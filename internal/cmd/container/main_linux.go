// Command container becomes the process whose file is its first argument. What
// follows is appended to that one's arguments.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/tagproc/tagproc/internal/container"
)

// cannotRun is how container engines say that there was no program to end.
const cannotRun = 125

func main() {
	runtime.LockOSThread()
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "container: want the file of a process")
		os.Exit(cannotRun)
	}
	if err := container.Become(os.Args[1], os.Args[2:]...); err != nil {
		fmt.Fprintln(os.Stderr, "container:", err)
		os.Exit(cannotRun)
	}
}
