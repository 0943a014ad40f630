package main

import "time"

// A plan says how much is measured.
type plan struct {
	rounds        int
	gatewayRounds int // through Envoy: more and shorter, so that what is compared is measured seconds apart

	requests map[int]int   // in the closed loop, by connections
	rates    map[int]int   // per second in the open loop, by connections
	openLoop time.Duration // how long it runs

	calls       map[int]int // of ghz, by callers
	growthCalls int         // of ghz, where cost grows
	benchTime   string      // of one benchmark of the handler

	idleStreams int
	reloads     int // of the rules file, one per second
}

// The numbers of client connections, and of ghz's concurrent callers.
var (
	connectionCounts = []int{1, 32, 256}
	callerCounts     = []int{1, 16, 64}
)

// The rates lie below what the slowest variant can do on two cores, so that an
// open loop measures waiting and not a queue that only grows.
var fullPlan = plan{
	rounds:        5,
	gatewayRounds: 11,
	requests:      map[int]int{1: 2_000, 32: 5_000, 256: 4_000},
	rates:         map[int]int{1: 400, 32: 2_000, 256: 2_000},
	openLoop:      1500 * time.Millisecond,
	calls:         map[int]int{1: 3_000, 16: 10_000, 64: 10_000},
	growthCalls:   8_000,
	benchTime:     "500ms",
	idleStreams:   8_000, // tagproc lets 8,192 wait for their requests
	reloads:       3,
}

// The short plan shows that everything works. Its figures are noise.
var shortPlan = plan{
	rounds:        1,
	gatewayRounds: 1,
	requests:      map[int]int{1: 300, 32: 1_500, 256: 1_500},
	rates:         map[int]int{1: 200, 32: 1_000, 256: 1_000},
	openLoop:      time.Second,
	calls:         map[int]int{1: 200, 16: 1_000, 64: 1_000},
	growthCalls:   500,
	benchTime:     "20ms",
	idleStreams:   8_000, // tagproc lets 8,192 wait for their requests
	reloads:       1,
}
