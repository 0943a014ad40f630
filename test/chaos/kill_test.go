package chaos

import (
	"testing"
	"time"
)

// killOpen kills the only tagproc n times and starts it again at once on the same
// socket.
func killOpen(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	socket := b.socket(t)
	b.startGateway(t, []string{socket})
	c := command{rulesFile: b.rulesFile(t), listen: []string{"unix://" + socket}}
	p := b.start(t, c)
	l := b.startLoad(t, b.rate, "")
	l.awaitTags(t, 10)
	var down time.Duration
	for range n {
		killed := time.Now()
		p.kill(t)
		p = b.start(t, c)
		down += time.Since(killed)
		l.awaitTags(t, b.rate/2)
	}
	s := summarize(l.stop())
	f.count(s)
	f.noneFailed()
	f.note("downtime per kill", milliseconds(down/time.Duration(n)))
	most := int(down.Seconds()*float64(b.rate)) + s.sent/100
	f.check("untagged", !*full || s.untagged <= most, grouped(s.untagged), "≤ "+grouped(most))
}

// killClosed kills one of two tagprocs n times, in turn, and starts it again at
// once on its socket. No request may go on untagged.
func killClosed(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	sockets := []string{b.socket(t), b.socket(t)}
	b.startGateway(t, sockets, failClosed)
	file := b.rulesFile(t)
	var ps []*tagproc
	for _, socket := range sockets {
		ps = append(ps, b.start(t, command{rulesFile: file, listen: []string{"unix://" + socket}}))
	}
	l := b.startLoad(t, b.rate, "")
	l.awaitTags(t, 10)
	worst, before := 0, 0
	for i := range n {
		p := ps[i%2]
		p.kill(t)
		ps[i%2] = b.start(t, p.command)
		l.awaitTags(t, b.rate/2)
		failed := l.failed()
		worst, before = max(worst, failed-before), failed
	}
	f.count(summarize(l.stop()))
	f.atMost("most non-200 of a kill", worst, 1)
	f.noneUntagged()
}
