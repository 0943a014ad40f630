package main

import "syscall"

// sysProcAttr makes the kernel kill a child when the load test is killed, and
// keeps Ctrl-C in a terminal from reaching it before stop does.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
