package envoy

import "syscall"

// sysProcAttr makes the kernel kill Envoy when tagproc is killed, and keeps
// Ctrl-C in a terminal from reaching Envoy before Stop does.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
