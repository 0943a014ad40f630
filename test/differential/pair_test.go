package differential

import (
	"context"
	"fmt"

	"github.com/tagproc/tagproc/rules"
)

// A pair is a listener with tagproc beside the plain one, for one goroutine.
type pair struct {
	stage     *stage
	mode      string
	table     *rules.Table
	name      string // of its reports, before a number
	sent      int
	reference *client
	ours      *client
	again     int // how often ours was asked again because Envoy had no time for tagproc
}

func (s *stage) newPair(mode string, table *rules.Table, name string) *pair {
	return &pair{
		stage: s, mode: mode, table: table, name: name,
		reference: newClient(s.envoy.Listeners[reference(mode)]),
		ours:      newClient(s.envoy.Listeners[listener(mode)]),
	}
}

func (p *pair) close() {
	p.reference.close()
	p.ours.close()
}

// ask sends a request to both listeners and returns the verdict, and for a difference
// what it is.
func (p *pair) ask(ctx context.Context, r *request) (verdict, string, error) {
	if p.mode == "BUFFERED" {
		r = r.withinBuffer()
	}
	reference, err := p.pass(p.reference, r)
	if err != nil {
		return different, "", err
	}
	ours, err := p.pass(p.ours, r)
	if err != nil {
		return different, "", err
	}
	result, why := compare(r, p.mode, reference, ours)
	if result == different {
		return result, why, nil
	}
	if why = wrongTags(p.table, ours.reports); why != "" {
		if why, err = p.askAgain(ctx, r); why != "" || err != nil {
			return different, why, err
		}
	}
	return result, "", nil
}

// nameLength is above the length of the longest mode; keyLength is that of keys.
const (
	nameLength = 25
	keyLength  = nameLength + 6
)

// pass sends a request to one listener. Each pass has a key of its own, since a request
// that Envoy refused half-way may reach the upstream late. All keys have one length.
func (p *pair) pass(c *client, r *request) (passage, error) {
	p.sent++
	key := fmt.Sprintf("%-*s%06d", nameLength, p.name, p.sent)
	outcomes, err := c.send(r, key)
	return passage{outcomes: outcomes, reports: p.stage.upstream.Take(key)}, err
}

// patience is how often a request is sent again.
const patience = 20

// askAgain asks only for the tags, while Envoy gives up waiting for tagproc: on a busy
// machine the shipped 200 ms pass and a request goes on untagged, which is right. It
// returns what is wrong with the tags, or "".
func (p *pair) askAgain(ctx context.Context, r *request) (string, error) {
	why := ""
	for range patience {
		p.again++
		before, err := p.timeouts(ctx)
		if err != nil {
			return "", err
		}
		ours, err := p.pass(p.ours, r)
		if err != nil {
			return "", err
		}
		if why = wrongTags(p.table, ours.reports); why == "" {
			return "", nil
		}
		after, err := p.timeouts(ctx)
		if err != nil || after == before {
			return why, err
		}
	}
	return fmt.Sprintf("asked %d times, and each time Envoy gave up waiting for tagproc: %s", patience, why), nil
}

// timeouts returns how often Envoy gave up waiting for tagproc.
func (p *pair) timeouts(ctx context.Context) (uint64, error) {
	return p.stage.envoy.Stat(ctx, "http."+statPrefix(listener(p.mode))+".ext_proc.tagproc.message_timeouts")
}
