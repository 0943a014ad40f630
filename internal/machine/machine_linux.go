package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime returns the CPU time that a process has used, in user and kernel mode,
// by all its threads, ended ones too. The kernel counts it in nanoseconds; it is
// what clock_getcpuclockid(3) gives access to.
func CPUTime(pid int) (time.Duration, error) {
	const schedulerClock = 2 // CPUCLOCK_SCHED of a process, in the kernel's posix-timers.h
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t); err != nil {
		return 0, fmt.Errorf("couldn't read the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// ResidentBytes returns the memory of a process that is resident (VmRSS).
func ResidentBytes(pid int) (int64, error) { return statusBytes(pid, "VmRSS") }

// PeakResidentBytes returns the most that ResidentBytes has ever been for the
// process (VmHWM).
func PeakResidentBytes(pid int) (int64, error) { return statusBytes(pid, "VmHWM") }

// AnonymousBytes returns the part of ResidentBytes that is no file's: the memory of
// the process itself, without the pages of its program (RssAnon).
func AnonymousBytes(pid int) (int64, error) { return statusBytes(pid, "RssAnon") }

func statusBytes(pid int, name string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	n, err := kibibytes(string(status), name)
	if err != nil {
		return 0, fmt.Errorf("couldn't read the memory of process %d: %w", pid, err)
	}
	return n, nil
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	return field(string(info), "model name")
}

func memory() string {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "unknown"
	}
	n, err := kibibytes(string(info), "MemTotal")
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return "Linux " + strings.TrimSpace(string(release))
}

// kibibytes returns the value of the line "name: N kB", in bytes.
func kibibytes(s, name string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSuffix(field(s, name), " kB"), 10, 64)
	return n << 10, err
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
