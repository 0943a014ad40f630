package fleet

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/state"
)

// TestPeers has replicas at the addresses of one name: some agree, one has other rules and says which, one hangs,
// one is not there, and one has more to say than it may.
func TestPeers(t *testing.T) {
	t.Parallel()
	const other = `rules: [{header: x, tagHeader: t, policies: [{range: 7, tagValue: other}]}]`
	const most = `rules: [{header: x, tagHeader: t, policies: [{range: 5, tagValue: v}]}]`
	_, port, err := net.SplitHostPort(serve(t, "127.0.0.1:0", 0, most))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, "127.0.0.2:"+port, 0, most)
	serve(t, "127.0.0.3:"+port, 0, other)
	ended := make(chan struct{})
	for address, answer := range map[string]http.HandlerFunc{
		"127.0.0.4": func(_ http.ResponseWriter, r *http.Request) { // hangs
			select {
			case <-ended:
			case <-r.Context().Done():
			}
		},
		"127.0.0.5": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat(" ", maxBrief+1)))
		},
	} {
		l, err := net.Listen("tcp", address+":"+port)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(answer)
		s.Listener.Close()
		s.Listener = l
		s.Start()
		t.Cleanup(s.Close)
	}
	t.Cleanup(func() { close(ended) })

	p, err := NewPeers("tagproc.example:" + port)
	if err != nil {
		t.Fatal(err)
	}
	lookups := 0
	p.client.Now = func() time.Time { return noon }
	p.client.Lookup = func(_ context.Context, _, host string) (all []netip.Addr, err error) {
		lookups++
		if host != "tagproc.example" {
			t.Errorf("%s is looked up", host)
		}
		for i := byte(1); i <= 6; i++ {
			all = append(all, netip.AddrFrom4([4]byte{127, 0, 0, i}))
		}
		return all, nil
	}
	// On a slow machine an answer may be late; the next one is asked for again.
	says := map[string]string{"127.0.0.1": "", "127.0.0.2": "", "127.0.0.3": "has other rules", "127.0.0.4": "no answer in time", "127.0.0.5": "the answer has more than", "127.0.0.6": "refused"}
	var got *state.Replicas
	right := func() bool {
		p.at = time.Time{}
		got = p.Read()
		for _, r := range got.Replicas {
			host, _, _ := net.SplitHostPort(r.Address)
			if !strings.Contains(strings.Join(r.Differs, ""), says[host]) || says[host] == "" && len(r.Differs) > 0 {
				return false
			}
		}
		return len(got.Replicas) == len(says) && !got.Agree && strings.HasPrefix(got.Summary, "2 of 6 agree on "+got.Replicas[0].Digest) && got.Replicas[2].Digest != got.Digest &&
			slices.Equal(got.Replicas[2].Rules, []string{"rule t: v 0% instead of 5%; no tag 93% instead of 95%; other 7% instead of 0%"}) && got.Replicas[0].Rules == nil &&
			got.Replicas[0].Page == "http://127.0.0.1:"+port+"/"
	}
	for deadline := time.Now().Add(2 * time.Minute); !right(); {
		if time.Now().After(deadline) {
			t.Fatalf("the replicas say %+v", got)
		}
	}
	asked := lookups
	p.at = time.Now().Add(time.Hour)
	if p.Read(); lookups != asked {
		t.Error("they are asked again at once")
	}
}

// TestMostPeers checks that of a name with many addresses some are asked, and that this is said.
func TestMostPeers(t *testing.T) {
	t.Parallel()
	p, err := NewPeers("tagproc.example:1")
	if err != nil {
		t.Fatal(err)
	}
	p.client.Lookup = func(context.Context, string, string) (all []netip.Addr, err error) {
		for i := range 2 * mostPeers {
			all = append(all, netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}))
		}
		return all, nil
	}
	got := p.Read()
	last := got.Replicas[len(got.Replicas)-1]
	if len(got.Replicas) != mostPeers+1 || got.Agree || !strings.Contains(strings.Join(last.Differs, ""), "the name has 200 addresses, and 100 are asked") {
		t.Errorf("%d replicas; of the last it is said %q", len(got.Replicas), last.Differs)
	}
}
