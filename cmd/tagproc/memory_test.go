package main

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// What is set holds for the whole process: these tests do not run in parallel.
func TestLimitMemory(t *testing.T) {
	const limit = 1000 << 20
	ofContainer := memlimit.Limit(limit)
	for _, tt := range []struct {
		name        string
		environment map[string]string
		container   memlimit.Provider
		percent     int
		limit       int64
		log         string
	}{
		{"container", nil, ofContainer, 400, limit * 8 / 10, "gogc=400 gomemlimit=838860800\n"},
		{"no limit", nil, func() (uint64, error) { return 0, memlimit.ErrNoLimit }, 400, 256 << 20 * 8 / 10, "gogc=400 gomemlimit=214748364\n"},
		{"no cgroups", nil, func() (uint64, error) { return 0, errors.New("none") }, 400, 256 << 20 * 8 / 10, "gogc=400 gomemlimit=214748364\n"},
		// The runtime has read these at its start. Here the defaults stand in.
		{"GOGC", map[string]string{"GOGC": "100"}, ofContainer, 100, limit * 8 / 10, "gogc=100 gomemlimit=838860800\n"},
		{"GOMEMLIMIT", map[string]string{"GOMEMLIMIT": "off"}, ofContainer, 400, math.MaxInt64, "gogc=400\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("GOGC", "")
			for name, value := range tt.environment {
				t.Setenv(name, value)
			}
			percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
			t.Cleanup(func() {
				debug.SetGCPercent(percent)
				debug.SetMemoryLimit(limit)
			})
			var log bytes.Buffer
			limitMemory(slog.New(slog.NewTextHandler(&log, nil)), tt.container)
			if got := debug.SetMemoryLimit(-1); got != tt.limit {
				t.Errorf("the memory limit is %d, want %d", got, tt.limit)
			}
			if got := debug.SetGCPercent(100); got != tt.percent {
				t.Errorf("the GC percentage is %d, want %d", got, tt.percent)
			}
			if !strings.HasSuffix(log.String(), tt.log) {
				t.Errorf("the log is %q, want it to end %q", log.String(), tt.log)
			}
		})
	}
}
