package chaos

// processRows are the faults of tagproc itself and of its load.
var processRows = []row{
	{name: "ordinary load, no fault", full: 60, short: 3, unit: "s", envoys: both, run: ordinaryLoad},
	{name: "good reloads", full: 1000, short: 10, unit: "reloads", envoys: both, run: goodReloads},
	{name: "kill -9, fail-open", full: 100, short: 3, unit: "kills", envoys: both, run: killOpen},
	{name: "kill -9 of one of two, fail-closed, the example's retries", full: 100, short: 4, unit: "kills", envoys: both, run: killClosed},
	{name: "SIGTERM with an overlapping successor, fail-closed", full: 100, short: 2, unit: "times", envoys: both, run: replaced},
	{name: "SIGSTOP for 1 s, fail-open", full: 20, short: 2, unit: "times", envoys: both, run: suspended},
	{name: "a panic in every decision, fail-closed", full: 60, short: 3, unit: "s", envoys: both, run: panics},
	{name: "long requests opened at 500/s, Envoy's default circuit breakers, fail-closed", full: 5000, short: 1200, unit: "requests", envoys: previous, run: longRequests},
	{name: "overload, three times the capacity of slow decisions, fail-open", full: 60, short: 4, unit: "s", envoys: both, run: overload},
	{name: "connection age 300 ms, fail-closed", full: 600, short: 4, unit: "s", envoys: both, run: agedConnections},
}
