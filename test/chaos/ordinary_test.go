package chaos

import (
	"testing"
	"time"
)

// ordinaryLoad sends load for n seconds without a fault, to compare other rows with.
func ordinaryLoad(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	const most = 64 << 20
	socket := b.socket(t)
	b.startGateway(t, []string{socket})
	b.start(t, command{rulesFile: b.rulesFile(t), listen: []string{"unix://" + socket}})
	l := b.startLoad(t, b.rate, "")
	l.awaitBegun(t, n*b.rate)
	answers := l.stop()
	f.count(summarize(answers))
	f.noneFailed()
	f.noneUntagged()
	f.note("p99", milliseconds(quantile(answers, 0.99)))
	f.memory("memory", f.peak, most)
}

// agedConnections has tagproc end every connection of Envoy after 300 ms, for n
// seconds.
func agedConnections(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	socket := b.socket(t)
	b.startGateway(t, []string{socket}, failClosed)
	b.start(t, command{
		rulesFile: b.rulesFile(t), listen: []string{"unix://" + socket},
		flags: []string{"--max-connection-age", "300ms"},
	})
	l := b.startLoad(t, b.rate, "")
	l.awaitBegun(t, n*b.rate)
	f.count(summarize(l.stop()))
	f.noneFailed()
	f.noneUntagged()
	f.atLeast("connections", b.stat(t, "cluster.tagproc.upstream_cx_total"), n)
	f.note("slowest", milliseconds(f.answers.slowest))
}

// longRequests has n requests at an application that takes its time. A stream that
// stayed open as long as its request would meet the limit of 1,024 that Envoy has
// for requests to a cluster.
func longRequests(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	socket := b.socket(t)
	b.startGateway(t, []string{socket}, failClosed, defaultBreakers, roomy)
	b.start(t, command{rulesFile: b.rulesFile(t), listen: []string{"unix://" + socket}})
	rate := max(b.rate, 400)
	delays := []time.Duration{time.Duration(n) * time.Second / time.Duration(rate)} // all of them at once
	if *full {
		delays = append(delays, 2*time.Second)
	}
	for _, delay := range delays {
		l := b.startLoad(t, rate, "x-echo-delay: "+delay.String()+"\r\n")
		l.awaitBegun(t, n)
		f.count(summarize(l.stop()))
		f.note("of "+milliseconds(delay)+", at once", grouped(int(l.most)))
	}
	f.noneFailed()
	f.noneUntagged()
}
