package chaos

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/echo"
)

// requestLimit bounds one request. One that takes longer has failed.
const requestLimit = 60 * time.Second

// A load sends requests to a gateway at a steady rate, whether or not those before
// have been answered, and keeps every answer. Requests go over keep-alive
// connections of HTTP/1.1; where all are busy, another one is opened.
type load struct {
	address string
	header  string // further lines of each request
	users   []user
	live    *live
	started time.Time
	rate    atomic.Int64 // per second

	quit     chan struct{}
	requests sync.WaitGroup // and the goroutine that sends them
	begun    atomic.Int64
	inFlight atomic.Int64

	mu       sync.Mutex
	idle     []*connection
	answers  []answer
	most     int64         // requests in flight at once
	late     time.Duration // by how much a request was begun late, at most: what this process had to wait for a CPU
	examples []string
}

// startLoad sends requests through the gateway until stop, or the test, ends.
// header is empty or holds lines that each end with "\r\n".
func (b *bed) startLoad(t *testing.T, rate int, header string) *load {
	t.Helper()
	l := &load{
		address: b.gateway.Listeners["ingress"], header: header, users: users(1000), live: &b.live,
		started: time.Now(), quit: make(chan struct{}),
	}
	l.rate.Store(int64(rate))
	l.requests.Go(l.send)
	b.loads = append(b.loads, l)
	t.Cleanup(func() { l.stop() })
	return l
}

// send starts each request when it is due.
func (l *load) send() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Duration(0)
	for i := 0; ; i++ {
		timer.Reset(due - time.Since(l.started))
		select {
		case <-l.quit:
			return
		case <-timer.C:
		}
		at, u := due, l.users[i%len(l.users)]
		l.requests.Go(func() { l.request(at, u) })
		l.begun.Add(1)
		due += time.Second / time.Duration(l.rate.Load())
	}
}

// stop waits for the answers that are still to come and returns all of them. A
// second stop returns the same.
func (l *load) stop() []answer {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.requests.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.idle {
		c.conn.Close()
	}
	l.idle = nil
	return l.answers
}

// sent is how many requests have been answered or have failed.
func (l *load) sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answers)
}

// awaitBegun waits until n requests were sent.
func (l *load) awaitBegun(t *testing.T, n int) {
	t.Helper()
	due := time.Duration(n) * time.Second / time.Duration(l.rate.Load())
	within(t, due+limit, fmt.Sprintf("%d requests are sent", n), func() bool { return l.begun.Load() >= int64(n) })
}

// failed is how many answers so far are not a 200.
func (l *load) failed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return summarize(l.answers).non200
}

// awaitAnswers waits for n more answers.
func (l *load) awaitAnswers(t *testing.T, n int) {
	t.Helper()
	until := l.sent() + n
	eventually(t, fmt.Sprintf("%d more answers", n), func() bool { return l.sent() >= until })
}

// awaitTags waits until n answers in a row, of requests that were due from now on,
// had the right tags.
func (l *load) awaitTags(t *testing.T, n int) {
	t.Helper()
	since, next := l.now(), l.sent()
	row := 0
	eventually(t, fmt.Sprintf("%d answers in a row with the right tags", n), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for ; next < len(l.answers); next++ {
			switch a := l.answers[next]; {
			case a.due < since:
			case a.status == http.StatusOK && a.tags == right:
				row++
			default:
				row = 0
			}
		}
		return row >= n
	})
}

// now is the time since the load started, as in answer.due.
func (l *load) now() time.Duration { return time.Since(l.started) }

// request sends one request and keeps what became of it.
func (l *load) request(due time.Duration, u user) {
	flying, late := l.inFlight.Add(1), l.now()-due
	oldest := l.live.oldest.Load()
	status, tags, err := l.exchange(u)
	a := answer{due: due, latency: l.now() - due, status: status, tags: wrong}
	n := generationOf(tags)
	switch {
	case tags == "":
		a.tags = untagged
	case int64(n) >= oldest && int64(n) <= l.live.newest.Load() && tags == wantTags(n, u.bucket):
		a.tags = right
	}
	l.inFlight.Add(-1)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, a)
	l.most = max(l.most, flying)
	l.late = max(l.late, late)
	const most = 20
	if (status != http.StatusOK || a.tags != right) && len(l.examples) < most {
		l.examples = append(l.examples, fmt.Sprintf("at %v, %s of bucket %d, after %v: status %d, tags %q, generations from %d on live, %v",
			due, u.id, u.bucket, a.latency, status, tags, oldest, err))
	}
}

// exchange sends one request and returns the status and the tags that arrived.
func (l *load) exchange(u user) (status int, tags string, err error) {
	c, err := l.connection()
	if err != nil {
		return 0, "", err
	}
	status, header, last, err := c.exchange("GET / HTTP/1.1\r\nHost: mocka\r\nx-user-id: " + u.id + "\r\n" + l.header + "\r\n")
	if err != nil {
		c.conn.Close()
		return 0, "", err
	}
	if last {
		c.conn.Close()
	} else {
		l.mu.Lock()
		l.idle = append(l.idle, c)
		l.mu.Unlock()
	}
	return status, header.Get(echo.TagsHeader), nil
}

// connection returns the connection that was used last of those that are idle, or
// opens one.
func (l *load) connection() (*connection, error) {
	l.mu.Lock()
	if last := len(l.idle) - 1; last >= 0 {
		c := l.idle[last]
		l.idle = l.idle[:last]
		l.mu.Unlock()
		return c, nil
	}
	l.mu.Unlock()
	conn, err := net.DialTimeout("tcp", l.address, requestLimit)
	if err != nil {
		return nil, err
	}
	return &connection{conn, bufio.NewReader(conn)}, nil
}

// A connection stands below net/http's client, which would send a request again
// that Envoy lost.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
}

// exchange sends a request and reads the whole answer. last reports whether the
// connection ends with it.
func (c *connection) exchange(request string) (status int, header http.Header, last bool, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(requestLimit)); err != nil {
		return 0, nil, false, err
	}
	if _, err := io.WriteString(c.conn, request); err != nil {
		return 0, nil, false, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, nil, false, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, nil, false, err
	}
	return response.StatusCode, response.Header, response.Close, nil
}
