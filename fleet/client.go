package fleet

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/state"
)

// Bounds of what a replica may answer.
const (
	DefaultTimeout = 5 * time.Second // for one answer

	maxBrief    = 128 << 10 // bytes: a state without rules and requests
	maxDecision = 32 << 20  // bytes: an explanation by as many rules as a file can have
	maxError    = 300       // bytes of an error
)

// A Client asks replicas. The zero value is ready to use.
type Client struct {
	Timeout time.Duration // for one answer; 0: DefaultTimeout
	// Brief leaves out what replicas say of their rules and requests, so that the answers
	// of many fit.
	Brief bool
	Most  int // addresses of a target that are asked; 0: all
	// Lookup returns the addresses of a name; nil: the system's resolver.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Now is the clock that those of replicas are compared with; nil: time.Now.
	Now func() time.Time
}

// A Replica is what one place answered.
type Replica struct {
	Address string `json:"address"`
	Name    string `json:"name"` // as it was asked for
	// AlsoAt are the other addresses at which the same replica answered.
	AlsoAt []string `json:"alsoAt,omitempty"`
	// Unreachable says why there is no State.
	Unreachable string `json:"unreachable,omitempty"`
	// Offset is by how much the clock of the replica is ahead of the asker's, and
	// OffsetError how far that may be off: half of the time that the answer took.
	Offset      time.Duration `json:"-"`
	OffsetError time.Duration `json:"-"`
	// Differs says in words what keeps the replica from agreeing; none: it agrees.
	Differs []string `json:"differs"`
	// Rules says in words what its rules differ in, where it has others.
	Rules []string `json:"rules,omitempty"`

	OffsetSeconds      float64      `json:"clockOffsetSeconds"`
	OffsetErrorSeconds float64      `json:"clockOffsetErrorSeconds"`
	State              *state.State `json:"state,omitempty"`

	place Place
	ipv6  bool
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Ask asks all places of all targets at once. The same replica at several addresses is
// one. A target without any address is a Replica that is unreachable.
func (c *Client) Ask(ctx context.Context, targets []Target) []Replica {
	lookup := c.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupNetIP
	}
	answers := make([][]Replica, len(targets))
	var asking sync.WaitGroup
	for i, t := range targets {
		asking.Go(func() {
			limited, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
			defer cancel()
			places, err := t.Places(limited, lookup)
			if err == nil && len(places) == 0 {
				err = errors.New("the name has no address")
			}
			if err != nil {
				answers[i] = []Replica{{Address: t.name, Name: t.name, Unreachable: words.Cut(err.Error(), maxError)}}
				return
			}
			var rest []Replica
			if c.Most > 0 && len(places) > c.Most {
				rest = []Replica{{Address: t.name, Name: t.name, Unreachable: fmt.Sprintf("the name has %d addresses, and %d are asked", len(places), c.Most)}}
				places = places[:c.Most]
			}
			answers[i] = append(withoutDeadFamily(c.askPlaces(ctx, places)), rest...)
		})
	}
	asking.Wait()
	return unique(slices.Concat(answers...))
}

func (c *Client) askPlaces(ctx context.Context, places []Place) []Replica {
	replicas := make([]Replica, len(places))
	var asking sync.WaitGroup
	for i, p := range places {
		asking.Go(func() { replicas[i] = c.ask(ctx, p) })
	}
	asking.Wait()
	return replicas
}

// ask asks one place.
func (c *Client) ask(ctx context.Context, p Place) Replica {
	r := Replica{Address: p.String(), Name: p.Name, place: p}
	if a, err := netip.ParseAddrPort(p.Address); err == nil {
		r.ipv6 = a.Addr().Is6()
	}
	begin := c.now()
	var s *state.State
	path, most := "/state", int64(state.MaxSize)
	if c.Brief {
		path, most = "/state?brief=1", maxBrief
	}
	text, err := c.do(ctx, p, http.MethodGet, path, nil, most)
	took := c.now().Sub(begin)
	if err == nil {
		s, err = state.Decode(text)
	}
	if err != nil {
		r.Unreachable = words.Cut(err.Error(), maxError)
		return r
	}
	r.State = s
	r.Offset, r.OffsetError = s.Now.Sub(begin.Add(took/2)), took/2
	r.OffsetSeconds, r.OffsetErrorSeconds = r.Offset.Seconds(), r.OffsetError.Seconds()
	return r
}

// Explain asks the replica at the first address of a target that answers.
func (c *Client) Explain(ctx context.Context, t Target, q explain.Question) (*explain.Decision, error) {
	lookup := c.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupNetIP
	}
	places, err := t.Places(ctx, lookup)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	err = errors.New("the name has no address")
	for _, p := range places {
		var text []byte
		if text, err = c.do(ctx, p, http.MethodPost, "/explain", body, maxDecision); err != nil {
			continue
		}
		var d *explain.Decision
		if d, err = explain.Decode(text); err == nil {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%s: %s", t.name, words.Cut(err.Error(), maxError))
}

// do asks a place, and returns the answer, which has at most so many bytes.
func (c *Client) do(ctx context.Context, p Place, method, path string, body []byte, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	host := strings.ReplaceAll(p.Address, "%", "%25") // a zone, as URLs have it
	if p.Network == "unix" {
		host = "localhost"
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{ // no proxy stands before an admin port
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialSilent(ctx, p.Network, p.Address)
		},
		MaxResponseHeaderBytes: 64 << 10,
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return nil, reason(ctx, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	switch {
	case err != nil:
		return nil, reason(ctx, err)
	case response.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("there is no %s: an older tagproc, or another program, listens there", path)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text[:min(len(text), maxError)])))
	case int64(len(text)) > most:
		return nil, fmt.Errorf("the answer has more than %d bytes: another program listens there", most)
	}
	return text, nil
}

// reason returns the error of a request without its method and URL.
func reason(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("no answer in time")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	if strings.Contains(err.Error(), "malformed HTTP response") { // the first bytes of HTTP/2, or of another protocol
		return fmt.Errorf("what listens there speaks no HTTP/1.1, as the port for Envoy; the admin port is %s unless serve has another --admin", contract.DefaultAdmin)
	}
	var wrapper interface{ Unwrap() error }
	if errors.As(err, &wrapper) && wrapper.Unwrap() != nil {
		return wrapper.Unwrap()
	}
	return err
}

// withoutDeadFamily leaves out the addresses of one family if none of them answers and
// one of the other family does: names such as localhost have both, and replicas often
// listen on one.
func withoutDeadFamily(replicas []Replica) []Replica {
	answers := map[bool]bool{}
	for _, r := range replicas {
		if r.State != nil {
			answers[r.ipv6] = true
		}
	}
	return slices.DeleteFunc(replicas, func(r Replica) bool {
		return r.State == nil && !answers[r.ipv6] && answers[!r.ipv6]
	})
}

// unique returns each replica once, whatever addresses it has. Two answers are of one
// replica if they say the same of it: a replica that has the instance of another one, and
// differs, may be made to hide it.
func unique(replicas []Replica) (once []Replica) {
	for _, r := range replicas {
		i := slices.IndexFunc(once, func(known Replica) bool {
			return known.Address == r.Address || same(known.State, r.State)
		})
		switch {
		case i < 0:
			once = append(once, r)
		case once[i].Address != r.Address && !slices.Contains(once[i].AlsoAt, r.Address):
			once[i].AlsoAt = append(once[i].AlsoAt, r.Address)
		}
	}
	return once
}

// same reports whether two states are of one replica at two addresses: all is equal that no
// request changes. The digest stands for the rules.
func same(a, b *state.State) bool {
	if a == nil || b == nil || a.Instance == "" {
		return false
	}
	lasting := func(s state.State) state.State {
		s.Now, s.Rules, s.Requests = time.Time{}, nil, nil
		return s
	}
	return reflect.DeepEqual(lasting(*a), lasting(*b))
}
