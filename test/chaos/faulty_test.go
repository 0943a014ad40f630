package chaos

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"
)

// panics makes every decision panic, for n seconds. Every request goes on, with no
// tag.
func panics(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	socket := b.socket(t)
	b.startGateway(t, []string{socket}, failClosed)
	p := b.start(t, command{
		rulesFile: b.rulesFile(t), listen: []string{"unix://" + socket}, faulty: true, env: []string{"TAGPROC_FAULT=panic"},
	})
	l := b.startLoad(t, b.rate, "")
	l.awaitBegun(t, n*b.rate)
	f.count(summarize(l.stop()))
	f.noneFailed()
	f.exactly("untagged", f.answers.untagged, f.answers.sent)
	f.exactly("panics counted", int(p.metric(t, "tagproc_panics_total")), f.answers.sent)
}

// overload sends three times what a tagproc of slow decisions can decide, for n
// seconds, and then less than that.
func overload(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	const (
		slow          = 60 * time.Millisecond
		atOnce        = slow / 2 // what is shed waits for no decision
		recoveryLimit = time.Second
		watched       = 5 * time.Second // of the lower load
	)
	slots := b.rate / 50 // slots/slow is a third of the rate
	socket := b.socket(t)
	b.startGateway(t, []string{socket})
	p := b.start(t, command{
		rulesFile: b.rulesFile(t), listen: []string{"unix://" + socket}, faulty: true,
		env:   []string{"TAGPROC_FAULT=slow=" + slow.String()},
		flags: []string{"--max-concurrent-decisions", strconv.Itoa(slots)},
	})
	l := b.startLoad(t, b.rate, "")
	l.awaitBegun(t, n*b.rate)
	l.rate.Store(int64(b.rate / 10))
	fell := l.now()
	if *full {
		l.awaitAnswers(t, int(watched.Seconds())*b.rate/10)
	}
	l.awaitTags(t, 10)
	answers := l.stop()

	f.count(summarize(answers))
	f.noneFailed()
	// Of three requests one can be decided. A busy machine sends many at once, and then none.
	tag, shut := n*b.rate/4, n*b.rate/2
	if !*full {
		tag, shut = 1, 1
	}
	f.atLeast("tagged", f.answers.sent-f.answers.untagged, tag)
	f.atLeast("shed", f.answers.untagged, shut)
	f.exactly("shed, as counted", int(p.metric(t, `tagproc_messages_total\{direction="gateway",outcome="shed"\}`)), f.answers.untagged)
	shed := slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.tags != untagged })
	tagged := slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.tags != right })
	f.within("p99 of the shed", quantile(shed, 0.99), atOnce)
	f.note("p99 of the tagged", milliseconds(quantile(tagged, 0.99)))
	f.within("recovery", lastUntagged(answers, fell, fell+watched), recoveryLimit)
	f.note("capacity", fmt.Sprintf("%.0f/s", float64(slots)/slow.Seconds()))
}
