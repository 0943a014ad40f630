package machine

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// The CPU clock of this process says what getrusage says.
func TestCPUTime(t *testing.T) {
	usage := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const slack = 50 * time.Millisecond // the kernel counts one in ticks
	for begin := usage(); usage()-begin < 3*slack; {
		continue
	}
	low := usage()
	got, err := CPUTime(os.Getpid())
	high := usage()
	if err != nil || got < low-slack || got > high+slack {
		t.Errorf("CPUTime = %v, %v; getrusage says %v to %v", got, err, low, high)
	}
	if _, err := CPUTime(1 << 22); err == nil {
		t.Error("CPUTime of a process that does not exist: no error")
	}
}

func TestResidentBytes(t *testing.T) {
	t.Parallel()
	got, err := ResidentBytes(os.Getpid())
	if err != nil || got < 1<<20 {
		t.Errorf("ResidentBytes = %d, %v; want more than 1 MiB", got, err)
	}
}
