//go:build !linux

package chaos

import "syscall"

// sysProcAttr is the default: only Linux can end a child with its parent.
func sysProcAttr() *syscall.SysProcAttr { return nil }

// raiseFileLimit does nothing: the row that needs many files has never run here.
func raiseFileLimit() error { return nil }
