package fleet

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/tagproc/tagproc/state"
)

const (
	peersFor     = 5 * time.Second // how long answers are shown
	peersTimeout = 2 * time.Second // for all answers of one kind
	mostPeers    = 100             // addresses of the name that are asked
	mostCompared = 3               // digests whose rules are compared with those of most replicas
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
		report := Judge(p.client.Ask(ctx, []Target{p.target}), nil, time.Now())
		p.askForRules(report)
		p.replicas = report.brief()
		p.at = time.Now()
	}
	return p.replicas
}

// askForRules has a replica of each digest say its rules, where replicas have different ones, so
// that the report says what they differ in. They have as much time again: one that hangs has taken
// that of the first answers.
func (p *Peers) askForRules(r *Report) {
	holders, others := map[string]*Replica{}, 0
	for _, replica := range r.answered() {
		switch d := replica.State.Digest; {
		case d == "" || holders[d] != nil:
		case d == r.Digest:
			holders[d] = replica
		case others < mostCompared:
			holders[d] = replica
			others++
		}
	}
	if others == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), peersTimeout)
	defer cancel()
	whole := p.client
	whole.Brief = false
	var asking sync.WaitGroup
	for digest, replica := range holders {
		asking.Go(func() {
			if s := whole.ask(ctx, replica.place).State; s != nil && s.Digest == digest {
				replica.State.Rules, replica.State.RulesLeftOut = s.Rules, s.RulesLeftOut
			}
		})
	}
	asking.Wait()
	r.compare()
	for _, replica := range r.answered() {
		if holder := holders[replica.State.Digest]; holder != nil {
			replica.Rules = holder.Rules
		}
	}
}

// brief returns what one replica says of all.
func (r *Report) brief() *state.Replicas {
	all := &state.Replicas{Agree: r.Agree, Summary: r.Summary(), Digest: r.Digest, Replicas: []state.Peer{}}
	for i := range r.Replicas {
		replica := &r.Replicas[i]
		peer := state.Peer{Address: replica.Address, Differs: replica.Differs, Rules: replica.Rules}
		if replica.place.Network == "tcp" {
			peer.Page = (&url.URL{Scheme: "http", Host: replica.place.Address, Path: "/"}).String()
		}
		if s := replica.State; s != nil {
			if s.Digest != "" && s.Digest != r.Digest { // which ones, and since when, stands beside it
				peer.Differs = append([]string{"has other rules"}, replica.Differs[1:]...)
			}
			peer.Answers, peer.Version, peer.Instance, peer.Digest, peer.LiveSince, peer.Clock = true, s.Version, s.Instance, s.Digest, s.LiveSince, replica.clock()
		}
		all.Replicas = append(all.Replicas, peer)
	}
	return all
}
