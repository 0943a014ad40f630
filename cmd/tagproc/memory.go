package main

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// gcPercent is GOGC unless the environment sets it. What gRPC allocates for a request
// is garbage soon after, so that Go's default of 100 collects a heap of a few MiB many
// times per second.
const gcPercent = 400

// defaultMemory is the memory limit, in bytes, where the container has none.
const defaultMemory = 256 << 20

// memoryRatio is the part of the limit that Go may use. What Go does not count, such as
// 17 MiB of tagproc's own code and data, needs room too, and under a flood of streams
// the collector is late: at 0.9 of 256 MiB the process took 255.9.
const memoryRatio = 0.8

// limitMemory makes the garbage collector run seldom while there is room, and often
// enough to stay below the container's memory limit. GOGC and GOMEMLIMIT of the
// environment win. container returns the limit: memlimit.FromCgroup.
func limitMemory(log *slog.Logger, container memlimit.Provider) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	limit := memlimit.ApplyFallback(container, memlimit.Limit(defaultMemory))
	if _, err := memlimit.Set(memlimit.WithProvider(limit), memlimit.WithRatio(memoryRatio)); err != nil {
		log.Warn("cannot limit memory", "error", err)
	}
	log.Info("Go runtime", goRuntime()...)
}

// goRuntime returns the settings in effect of the Go runtime, for a log line.
func goRuntime() []any {
	samples := []metrics.Sample{
		{Name: "/sched/gomaxprocs:threads"},
		{Name: "/gc/gogc:percent"},
		{Name: "/gc/gomemlimit:bytes"},
	}
	metrics.Read(samples)
	values := []any{"gomaxprocs", samples[0].Value.Uint64(), "gogc", samples[1].Value.Uint64()}
	if limit := samples[2].Value.Uint64(); limit < math.MaxInt64 {
		values = append(values, "gomemlimit", limit)
	}
	return values
}
