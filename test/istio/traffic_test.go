package istio

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/chain"
)

// Traffic is requests that are sent, a few at a time, until they are stopped.
type traffic struct {
	stop func() // may be called again
	done sync.WaitGroup

	answered atomic.Int64 // with 200, by all hops

	mu   sync.Mutex
	lost []error        // how others ended
	seen map[string]int // answers, such as "jack: mocka v1 mockb v1 mockc v2"
}

// senders send at the same time: half of them over one connection each, and half
// over a new one for each request.
const senders = 4

// startTraffic sends requests of users, one after the other, until end.
func (w *walk) startTraffic(t *testing.T, users ...string) *traffic {
	t.Helper()
	stopped := make(chan struct{})
	r := &traffic{stop: sync.OnceFunc(func() { close(stopped) }), seen: map[string]int{}}
	address := w.GatewayAddress(t)
	for i := range senders {
		transport := &http.Transport{DisableKeepAlives: i%2 == 0}
		r.done.Go(func() {
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
			for n := i; ; n++ {
				select {
				case <-stopped:
					return
				default:
					r.send(client, address, users[n%len(users)])
				}
			}
		})
	}
	t.Cleanup(r.halt) // where the test fails before end
	return r
}

func (r *traffic) send(client *http.Client, address, user string) {
	trace, err := ask(client, address, user)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.lost = append(r.lost, fmt.Errorf("%s: %w", user, err))
		return
	}
	r.seen[answer(user, trace)]++
	r.answered.Add(1)
}

func ask(client *http.Client, address, user string) (chain.Trace, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("x-user-id", user)
	return chain.Do(client, request)
}

// answer is a user, and who answered.
func answer(user string, trace chain.Trace) string {
	text := user + ":"
	for _, hop := range trace {
		text += " " + hop.App + " " + hop.Version
	}
	return text
}

func (r *traffic) halt() {
	r.stop()
	r.done.Wait()
}

// more waits until n more requests were answered.
func (r *traffic) more(t *testing.T, w *walk, n int64) {
	t.Helper()
	want := r.answered.Load() + n
	w.Eventually(t, "traffic", func() error {
		if got := r.answered.Load(); got < want {
			return fmt.Errorf("%d requests were answered, want %d", got, want)
		}
		return nil
	})
}

// end stops the traffic, and fails if a request was lost.
func (r *traffic) end(t *testing.T) {
	t.Helper()
	r.halt()
	t.Logf("%d requests were answered, %d were lost: %v", r.answered.Load(), len(r.lost), r.seen)
	for _, err := range slices.Compact(r.lost[:min(len(r.lost), 5)]) {
		t.Errorf("lost: %v", err)
	}
}
