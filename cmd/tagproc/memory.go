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

// limitMemory makes the garbage collector run seldom while there is room, and as
// often as it takes not to reach the container's memory limit. GOGC and
// GOMEMLIMIT of the environment win. container says the limit: memlimit.FromCgroup.
func limitMemory(log *slog.Logger, container memlimit.Provider) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if _, err := memlimit.Set(memlimit.WithProvider(container)); err != nil {
		log.Debug("cannot tell the container's memory limit; there is none for tagproc", "error", err)
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
