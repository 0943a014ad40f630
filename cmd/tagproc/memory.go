package main

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// gcPercent is GOGC where the environment does not say otherwise. What gRPC
// allocates for a request is garbage soon after, so that Go's default of 100
// collects a heap of a few MiB many times per second.
const gcPercent = 400

// defaultMemory is the memory limit that tagproc goes by where its container has
// none.
const defaultMemory = 256 << 20

// memoryRatio is the part of the limit that Go may take. What Go does not count,
// 17 MiB of tagproc's own code and data among it, needs room too, and under a flood
// of streams the collector comes late: at 0.9 of 256 MiB it took 255.9.
const memoryRatio = 0.8

// limitMemory makes the garbage collector run seldom while there is room, and as
// often as it takes not to reach the container's memory limit. GOGC and
// GOMEMLIMIT of the environment win. container says the limit: memlimit.FromCgroup.
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

// goRuntime returns, for a log line, what the Go runtime goes by, whoever set it.
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
