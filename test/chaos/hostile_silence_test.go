package chaos

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tagproc/tagproc/internal/hostile"
	"github.com/tagproc/tagproc/internal/machine"
)

const (
	reapLimit  = 5 * time.Second
	idleMemory = 160 << 20

	silentPeers     = 4 // on whose connections the silent streams are
	streamsPerWrite = 50
)

// idleStreams opens n streams, says nothing on them and waits until tagproc has
// ended each.
func idleStreams(t *testing.T, s *siege) {
	t.Helper()
	s.silentStreams(t, (*hostile.Peer).Open)
	peak, err := machine.PeakResidentBytes(s.tagproc.pid())
	if err != nil {
		t.Logf("memory is not judged: %v", err)
		return
	}
	s.findings.memory("peak", peak, idleMemory)
}

// announcedMessages announces a message of the largest size on each of n streams
// and sends its first byte.
func announcedMessages(t *testing.T, s *siege) {
	t.Helper()
	beginning := hostile.Prefixed(maxMessage, []byte{0})
	s.silentStreams(t, func(p *hostile.Peer, n int) error {
		return errors.Join(p.Open(n), p.Frames.WriteData(hostile.StreamID(n), false, beginning))
	})
}

// silentStreams begins n streams and waits until tagproc has ended each, and left
// the connections as they are.
func (s *siege) silentStreams(t *testing.T, begin func(p *hostile.Peer, n int) error) {
	t.Helper()
	peers := make([]*hostile.Peer, silentPeers)
	for i := range peers {
		p, err := hostile.Greet(t.Context(), s.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		peers[i] = p
	}
	each := s.n / len(peers)
	for from := 0; from < each; from += streamsPerWrite {
		for _, p := range peers {
			for n := from; n < min(from+streamsPerWrite, each); n++ {
				if err := begin(p, n); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Send(); err != nil {
				t.Fatalf("tagproc closed a connection: %v", err)
			}
		}
	}
	opened := time.Now()
	var ended int
	eventually(t, "every stream has ended", func() bool {
		ended = 0
		for _, p := range peers {
			ended += int(p.Ended.Load())
		}
		return ended >= each*len(peers)
	})
	s.findings.within("last one ended after", time.Since(opened), reapLimit)
	s.findings.exactly("streams reaped or refused", int(s.tagproc.metric(t, "tagproc_streams_reaped_total")+s.tagproc.metric(t, "tagproc_streams_refused_total")), each*len(peers))
	for _, p := range peers { // each still answers
		if err := errors.Join(p.Ask(each), p.Send()); err != nil {
			t.Fatalf("tagproc closed a connection: %v", err)
		}
		eventually(t, "an answer on a connection whose streams were ended", func() bool { return int(p.Ended.Load()) > each })
	}
}

// silentConnections opens n connections that stop before anything can be asked,
// and waits until tagproc has closed each.
func silentConnections(t *testing.T, s *siege) {
	t.Helper()
	greeting := http2.ClientPreface + "\x00\x00\x06\x04" // and the beginning of SETTINGS
	beginnings := []string{"", http2.ClientPreface[:12], http2.ClientPreface, greeting}
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		lasted []time.Duration
	)
	for i := range s.n {
		p, err := hostile.Dial(t.Context(), s.address)
		if err != nil {
			t.Fatal(err)
		}
		opened := time.Now()
		p.Out.WriteString(beginnings[i%len(beginnings)])
		if err := p.Send(); err != nil {
			t.Error(err)
		}
		group.Go(func() {
			defer p.Close()
			if p.ClosedBy(time.Now().Add(limit)) {
				mu.Lock()
				defer mu.Unlock()
				lasted = append(lasted, time.Since(opened))
			}
		})
	}
	group.Wait()
	s.findings.exactly("connections closed", len(lasted), s.n)
	s.findings.exactly("refused", int(s.tagproc.metric(t, "tagproc_connections_refused_total")), 0)
	if len(lasted) > 0 {
		s.findings.within("last one closed after", slices.Max(lasted), reapLimit)
	}
}
