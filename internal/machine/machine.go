package machine

import (
	"fmt"
	"runtime"
)

// A Machine is what a reader of measurements wants to know of where they were
// made. A value that cannot be read is "unknown".
type Machine struct {
	CPU    string // model
	Cores  int    // that this process may use
	Memory string // e.g. 23.5 GiB
	Kernel string // name and release
	System string // as Go names it, e.g. linux/amd64
	Go     string // version that this program was built with
}

// This returns the machine that the program runs on.
func This() Machine {
	return Machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), Memory: memory(), Kernel: kernel(),
		System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
	}
}

// String returns the machine on one line, Go's version aside.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s, %s", m.CPU, m.Cores, m.Memory, m.Kernel, m.System)
}
