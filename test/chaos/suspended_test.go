package chaos

import (
	"syscall"
	"testing"
	"time"
)

// suspended stops the process of the only tagproc for a second, n times.
func suspended(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	const (
		pause        = time.Second
		slowestLimit = 300 * time.Millisecond
		backLimit    = 250 * time.Millisecond
	)
	socket := b.socket(t)
	b.startGateway(t, []string{socket}, messageTimeout("0.2s"))
	p := b.start(t, command{rulesFile: b.rulesFile(t), listen: []string{"unix://" + socket}})
	l := b.startLoad(t, b.rate, "")
	l.awaitTags(t, 10)
	var resumed []time.Duration
	for range n {
		p.signal(t, syscall.SIGSTOP)
		time.Sleep(pause) // the fault
		p.signal(t, syscall.SIGCONT)
		resumed = append(resumed, l.now())
		l.awaitTags(t, b.rate/2)
	}
	answers := l.stop()
	f.count(summarize(answers))
	f.noneFailed()
	f.atLeast("untagged", f.answers.untagged, 1) // else nothing was suspended
	f.within("slowest", f.answers.slowest, slowestLimit)
	var back time.Duration
	for _, at := range resumed {
		back = max(back, lastUntagged(answers, at, at+pause/2))
	}
	f.within("tags back after SIGCONT", back, backLimit)
}
