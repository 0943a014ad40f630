//go:build !linux

package machine

import (
	"errors"
	"time"
)

var errNotLinux = errors.New("only Linux tells what another process uses as exactly as is needed here")

// CPUTime returns an error: see the implementation for Linux.
func CPUTime(int) (time.Duration, error) { return 0, errNotLinux }

// ResidentBytes returns an error: see the implementation for Linux.
func ResidentBytes(int) (int64, error) { return 0, errNotLinux }

// PeakResidentBytes returns an error: see the implementation for Linux.
func PeakResidentBytes(int) (int64, error) { return 0, errNotLinux }

func cpuModel() string { return "unknown" }

func memory() string { return "unknown" }

func kernel() string { return "unknown" }

// AnonymousBytes returns an error: see the implementation for Linux.
func AnonymousBytes(int) (int64, error) { return 0, errNotLinux }
