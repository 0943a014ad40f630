package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sysProcAttr makes the kernel kill a child when the load test is killed, and
// keeps Ctrl-C in a terminal from reaching it before stop does.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// cpuTime returns the CPU time that a process has used, in user and kernel mode,
// by all its threads, ended ones too. The kernel counts it in nanoseconds; it is
// what clock_getcpuclockid(3) gives access to.
func cpuTime(pid int) (time.Duration, error) {
	const schedulerClock = 2 // CPUCLOCK_SCHED of a process, in the kernel's posix-timers.h
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t); err != nil {
		return 0, fmt.Errorf("couldn't read the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// residentBytes returns the resident memory of a process (VmRSS).
func residentBytes(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	kb, err := strconv.ParseInt(strings.TrimSuffix(field(string(status), "VmRSS"), " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("couldn't read the memory of process %d: %w", pid, err)
	}
	return kb << 10, nil
}

// cpuModel names the CPU.
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	return field(string(info), "model name")
}

// memory is the machine's, in GiB.
func memory() string {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "unknown"
	}
	kb, err := strconv.ParseInt(strings.TrimSuffix(field(string(info), "MemTotal"), " kB"), 10, 64)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.1f GiB", float64(kb)/(1<<20))
}

// kernel is its name and release.
func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return "Linux " + strings.TrimSpace(string(release))
}

// field returns the value of the first line "name: value", or "unknown".
func field(s, name string) string {
	for line := range strings.Lines(s) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
