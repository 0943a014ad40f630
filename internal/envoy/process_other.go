//go:build !linux

package envoy

import "syscall"

// sysProcAttr is the default: only Linux can end a child with its parent.
func sysProcAttr() *syscall.SysProcAttr { return nil }
