package hostile

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/hostile"
)

const (
	connections = 8
	memoryLimit = 256 << 20

	slowdown    = 3                      // of the p99 that is undisturbed, at most
	ownSlowdown = 2                      // of the p99 beside the same attack on another process, at most
	slowest     = 100 * time.Millisecond // half of what Envoy waits for a reply
)

// TestHostile checks that ordinary requests are all tagged beside each attack, and
// that tagproc keeps within its memory. Each attack has a tagproc and an Envoy of its
// own: the system's buffers keep tagproc busy for seconds after one has ended, and what
// is judged is one at a time. With -full attacks have no bound, time is judged, and a
// table is printed.
func TestHostile(t *testing.T) {
	attacks := hostile.Attacks()
	if len(attacks) < 20 {
		t.Fatalf("there are %d attacks, want 20 or more", len(attacks))
	}
	if *full {
		inFull(t)
		return
	}
	for _, i := range chosen(t) {
		t.Run(attacks[i].Name, func(t *testing.T) {
			b := newBed(t)
			var during *tally
			rate := 2000 // is no flood, and leaves room for other tests
			if attacks[i].Holds {
				rate = 0 // are to take all that there is
			}
			units := 0
			for lasts := time.Second; units == 0; lasts *= 2 { // a busy machine gives the attack, which is nice, no time
				if lasts > time.Minute {
					t.Fatal("the attack does nothing")
				}
				units = b.attacked(t, i, cmp.Or(attacks[i].Connections, connections), rate, func() { during = b.during(lasts) })
				during.check(t)
			}
			got := b.memory(t)
			t.Logf("%d units, at most %d MiB", units, got>>20)
			if got > memoryLimit {
				t.Errorf("tagproc had %d MiB, want %d at most", got>>20, memoryLimit>>20)
			}
		})
	}
}

// check fails the test for each request that was not tagged as it should be.
func (a *tally) check(t *testing.T) {
	t.Helper()
	if a.untagged > 0 || len(a.wrong) > 0 {
		t.Errorf("of %d requests %d are untagged and %d wrong, such as %v", len(a.took), a.untagged, len(a.wrong), a.wrong[:min(3, len(a.wrong))])
	}
}

// inFull runs every attack for longer and prints the table. Where the p99 is too high,
// it says how much of that is tagproc's doing: the same attack on another tagproc, which
// no Envoy asks, takes as much of the machine and nothing of tagproc's.
func inFull(t *testing.T) {
	t.Helper()
	const lasts = 8 * time.Second
	lines := []string{
		"| attack by 8 connections, if it does not say another number | units | requests | untagged | wrong | p99 before | p99 beside | p99 beside one on another tagproc | memory | |",
		"|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
	}
	for _, i := range chosen(t) {
		name, n := hostile.Attacks()[i].Name, cmp.Or(hostile.Attacks()[i].Connections, connections)
		t.Run(name, func(t *testing.T) {
			b, other := newBed(t), serve(t)
			b.during(time.Second) // warms up
			before := b.during(lasts)
			var during, elsewhere *tally
			units := b.attacked(t, i, n, 0, func() { during = b.during(lasts) })
			other.attacked(t, i, n, 0, func() { elsewhere = b.during(lasts) })
			var unmet []string
			if during.untagged+len(during.wrong)+before.untagged+len(before.wrong) > 0 {
				unmet = append(unmet, "tags")
			}
			if b.memory(t) > memoryLimit {
				unmet = append(unmet, "memory")
			}
			slow, own := during.p99() > slowdown*before.p99(), during.p99() > ownSlowdown*elsewhere.p99()
			if slow && own && during.p99() > slowest {
				unmet = append(unmet, "p99")
			}
			met := "met"
			switch {
			case len(unmet) > 0:
				met = "**not met: " + strings.Join(unmet, ", ") + "**"
				t.Errorf("%s: %s; %v", name, met, during.wrong[:min(3, len(during.wrong))])
			case slow && own:
				met = "met; p99 below " + slowest.String()
			case slow:
				met = "met; p99 is the machine's"
			}
			lines = append(lines, fmt.Sprintf("| %s | %d | %d | %d | %d | %.1f ms | %.1f ms | %.1f ms | %d MiB | %s |",
				name, units, len(during.took), during.untagged, len(during.wrong),
				ms(before.p99()), ms(during.p99()), ms(elsewhere.p99()), b.memory(t)>>20, met))
		})
	}
	fmt.Printf("\n%s\n", strings.Join(lines, "\n"))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
