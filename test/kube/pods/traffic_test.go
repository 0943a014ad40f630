package pods

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/chain"
)

// Traffic is requests of users to the gateway, until they are stopped.
type traffic struct {
	address string
	stop    func() // may be called again
	done    sync.WaitGroup

	answered atomic.Int64
	mu       sync.Mutex
	want     map[string]string // version by user, of those for whom it is to stay
	lost     []error           // first of those that went wrong
}

// ask returns which version answers a user.
func ask(client *http.Client, address, user string) (version string, err error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+address+"/", http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("x-user-id", user)
	trace, err := chain.Do(client, request)
	if err != nil {
		return "", err
	}
	return trace[0].Version, nil
}

// startTraffic sends requests of the users of want, one over a connection that stays and one
// over a new one. An answer by another version than want has is lost as well.
func startTraffic(t *testing.T, address string, want map[string]string) *traffic {
	t.Helper()
	stopped := make(chan struct{})
	r := &traffic{address: address, stop: sync.OnceFunc(func() { close(stopped) }), want: want}
	var users []string
	for user := range want {
		users = append(users, user)
	}
	for _, fresh := range []bool{false, true} {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: fresh}, Timeout: limit}
		r.done.Go(func() {
			defer client.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-stopped:
					return
				case <-time.After(5 * time.Millisecond): // two cores are for the rest too
				}
				r.send(client, users[n%len(users)])
			}
		})
	}
	t.Cleanup(r.halt) // where the test fails before end
	return r
}

func (r *traffic) send(client *http.Client, user string) {
	version, err := ask(client, r.address, user)
	r.mu.Lock()
	defer r.mu.Unlock()
	if want := r.want[user]; err == nil && version != want {
		err = fmt.Errorf("%s answers, want %s", version, want)
	}
	if err != nil {
		r.lost = append(r.lost, fmt.Errorf("%v %s: %w", time.Now().Format("15:04:05.000"), user, err))
		return
	}
	r.answered.Add(1)
}

func (r *traffic) halt() {
	r.stop()
	r.done.Wait()
}

// more waits until n more requests were answered.
func (r *traffic) more(t *testing.T, n int64) {
	t.Helper()
	want := r.answered.Load() + n
	eventually(t, "traffic", func() error {
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
	t.Logf("%d requests were answered, %d were lost", r.answered.Load(), len(r.lost))
	for _, err := range r.lost[:min(len(r.lost), 5)] {
		t.Errorf("lost: %v", err)
	}
}
