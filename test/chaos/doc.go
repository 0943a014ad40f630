// Package chaos breaks tagproc, its rules file and its peers in every way that the
// table of docs/reliability.md names, while requests go through a real Envoy, and
// checks every answer: its status, and the tags of that very user.
//
// It knows the promise of tagproc and how to break processes, files and
// connections. It knows nothing of how tagproc keeps the promise: it sees
// processes, sockets, metrics and answers.
//
// There are tests only. `go test -full` runs each row with its full figure, judges
// time and memory too and prints the table; without -full each row is short and
// judges nothing but counts, with a tagproc that has the race detector.
package chaos
