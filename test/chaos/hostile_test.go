package chaos

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/hostile"
	"github.com/tagproc/tagproc/internal/program"
)

// hostileRows are peers that reach tagproc's port and do not behave, each beside a
// client that does.
var hostileRows = slices.Concat([]row{
	attack("idle streams", 10_000, 500, "streams", idleStreams),
	attack("announced messages of the largest size", 10_000, 500, "streams", announcedMessages),
	attack("silent connections", 2000, 200, "connections", silentConnections, "--max-connections", "4096"),
	attack("connections over --max-connections", 1000, 50, "connections", tooManyConnections, "--max-connections", "64"),
	attack("messages over --max-message-kb", 1000, 20, "messages", tooLargeMessages),
	attack("not HTTP/2: garbage, HTTP/1.1, TLS", 1000, 60, "connections", notHTTP2),
}, floodRows(), []row{determinism})

// A siege is one tagproc under one attack.
type siege struct {
	tagproc  *tagproc
	address  string
	findings *findings
	n        int // the row's figure
}

// attack returns the row of an attack. flags are those of the tagproc.
func attack(name string, inFull, inShort int, unit string, do func(t *testing.T, s *siege), flags ...string) row {
	return row{name: name, full: inFull, short: inShort, unit: unit, run: func(t *testing.T, b *bed, f *findings, n int) {
		t.Helper()
		p := b.start(t, command{rulesFile: b.rulesFile(t), listen: []string{"127.0.0.1:0"}, flags: flags})
		s := &siege{tagproc: p, address: p.address(t), findings: f, n: n}
		others := newNeighbour(t, s.address, generation(0))
		if *full { // what the machine does alone
			others.during(t.Context(), func() { hostile.Rest(t.Context(), time.Second) })
			f.note("others' p99 before", milliseconds(others.p99()))
			others.took = nil
		}
		others.during(t.Context(), func() { do(t, s) })
		others.report(t, f)
		if !p.running() {
			t.Errorf("tagproc ended: %v", p.cmd.ProcessState)
		}
	}}
}

// floodRows are the floods, each for a number of seconds.
func floodRows() []row {
	var rows []row
	for i := range hostile.Floods {
		rows = append(rows, attack(hostile.Floods[i].Name, 10, 1, "s", func(t *testing.T, s *siege) {
			t.Helper()
			rate := 0
			if !*full {
				rate = 2000 // is no flood, and leaves room for other tests
			}
			var sent, closed int
			for lasts := time.Duration(s.n) * time.Second; sent == 0 && lasts < time.Minute; lasts *= 2 { // a busy machine gives the flood, which is nice, no time
				a := recruit(t, "flood", strconv.Itoa(i), s.address, strconv.Itoa(rate))
				hostile.Rest(t.Context(), lasts)
				if _, err := fmt.Sscan(a.dismiss(t), &sent, &closed); err != nil {
					t.Fatal(err)
				}
			}
			s.findings.atLeast("units", sent, 1)
			s.findings.note("connections closed by tagproc", strconv.Itoa(closed))
		}))
	}
	return rows
}

// address returns where a tagproc listens that was started with port 0.
func (p *tagproc) address(t *testing.T) string {
	t.Helper()
	var port int
	eventually(t, "tagproc says where it listens", func() bool {
		port = program.Port(p.log.String())
		return port != 0
	})
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
