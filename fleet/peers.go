package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/tagproc/tagproc/state"
)

const (
	peersFor     = 5 * time.Second // how long answers are shown
	peersTimeout = 2 * time.Second // for all of them
	mostPeers    = 100             // addresses of the name that are asked
)

// Peers are the replicas at the addresses of one name, which the operator gives: no request
// says who is asked.
type Peers struct {
	target Target
	client Client

	mu       sync.Mutex
	at       time.Time // when they were asked last
	replicas *state.Replicas
}

// NewPeers returns the replicas of a name, HOST:PORT or HOST, which stands for all of its
// addresses.
func NewPeers(name string) (*Peers, error) {
	target, err := ParseTarget(name)
	return &Peers{target: target, client: Client{Timeout: peersTimeout, Most: mostPeers, Brief: true}}, err
}

// Read says whether the replicas decide alike. They are asked at most once in 5 seconds,
// whoever looks. What it returns is not to be changed.
func (p *Peers) Read() *state.Replicas {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.replicas == nil || time.Since(p.at) > peersFor {
		// Not the context of who looks: others are shown this answer too.
		ctx, cancel := context.WithTimeout(context.Background(), peersTimeout)
		defer cancel()
		p.replicas = Judge(p.client.Ask(ctx, []Target{p.target}), nil, time.Now()).brief()
		p.at = time.Now()
	}
	return p.replicas
}

// brief returns what one replica says of all.
func (r *Report) brief() *state.Replicas {
	all := &state.Replicas{Agree: r.Agree, Summary: r.Summary(), Digest: r.Digest, Replicas: []state.Peer{}}
	for i := range r.Replicas {
		replica := &r.Replicas[i]
		peer := state.Peer{Address: replica.Address, Differs: replica.Differs}
		if s := replica.State; s != nil {
			peer.Answers, peer.Version, peer.Digest, peer.LiveSince, peer.Clock = true, s.Version, s.Digest, s.LiveSince, replica.clock()
		}
		all.Replicas = append(all.Replicas, peer)
	}
	return all
}
