//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

var errNotLinux = errors.New("the load test runs on Linux only: nothing else tells the CPU time of another process as exactly")

func sysProcAttr() *syscall.SysProcAttr { return nil }

func cpuTime(int) (time.Duration, error) { return 0, errNotLinux }

func residentBytes(int) (int64, error) { return 0, errNotLinux }

func cpuModel() string { return "unknown" }

func memory() string { return "unknown" }

func kernel() string { return "unknown" }
