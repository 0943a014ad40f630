package transport

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// lookPeriods is how many looks at a waiting stream make up Options.FirstMessage.
const lookPeriods = 5

// streams are the open streams of a server. Each waits for its request until its
// handler says that it has begun, and then is active.
//
// Waiting streams are bounded in time. A look at all of them now and then is cheaper than
// a timer for each. It counts looks instead of time, so that a process that is stopped
// for a while does not end its streams.
//
// Both are bounded in number, over all connections. If one is too many, the connection
// with most loses one: so a single connection may have everything, and no connection has
// a stream that another lacks.
type streams struct {
	maxWaiting int
	max        int           // waiting or active
	period     time.Duration // between two looks

	reaped  prometheus.Counter // ended because they waited too long, or too many waited
	refused prometheus.Counter // ended because max were open

	handlers, hosts atomic.Int64 // handlers that run, and connections that have some

	// strays are those handlers whose stream has no place in a queue: it has none yet,
	// gets none, or has lost it. They end soon, but not where streams come faster.
	strays atomic.Int64

	mu              sync.Mutex
	waiting, active int
	guests          []*guest // those with streams, and some that had streams
	looks           int
	looking         bool // a look is due
}

// A share is the streams of one connection. streams.mu guards it.
type share struct {
	waiting, active queue
	listed          bool // in streams.guests
}

func (s *share) count() int { return s.waiting.count + s.active.count }

// A stream is what handlers get. They call Begun, by a type assertion, when a request has
// begun on a stream that lasts. A handler that returns after one message need not.
type stream struct {
	grpc.ServerStream

	all     *streams
	guest   *guest
	endable endable

	// Guarded by streams.mu.
	in         *queue // nil: none
	looks      int    // of streams, at the beginning
	prev, next *stream
}

// An endable is a stream that can be ended while its handler waits for a message; the
// handler then gets an error. grpc-go has no public name for it. To end a context instead
// would send the client an error, and a gateway would turn that into a 500.
type endable interface {
	WriteStatus(st *status.Status) error
}

// serve runs the handler of a stream of g, unless one is too many. A stream that the
// server ends gets status OK, as if its handler had returned.
func (all *streams) serve(g *guest, srv any, ss grpc.ServerStream, handler grpc.StreamHandler) error {
	e, ok := grpc.ServerTransportStreamFromContext(ss.Context()).(endable)
	if !ok {
		return handler(srv, ss) // a grpc-go whose streams cannot be ended: unbounded is better than refused
	}
	s := &stream{ServerStream: ss, all: all, guest: g, endable: e}
	all.enter(g)
	defer all.leave(g)
	if !all.begin(s) {
		all.refused.Inc()
		_ = e.WriteStatus(status.New(codes.OK, "")) // fails if the client has gone
		all.strays.Add(-1)
		return nil
	}
	all.strays.Add(-1)
	defer all.end(s)
	return handler(srv, s)
}

// turnAway ends a stream of g with an error before it has a place, and returns the
// error. gRPC would end it too, after its handler was counted off.
func (all *streams) turnAway(g *guest, ss grpc.ServerStream, err error) error {
	all.enter(g)
	defer all.leave(g)
	if e, ok := grpc.ServerTransportStreamFromContext(ss.Context()).(endable); ok {
		_ = e.WriteStatus(status.Convert(err)) // fails if the client has gone
	}
	all.strays.Add(-1)
	return err
}

// enter counts a handler of g, whose stream has no place yet.
func (all *streams) enter(g *guest) {
	all.strays.Add(1)
	all.handlers.Add(1)
	if g.handlers.Add(1) == 1 {
		all.hosts.Add(1)
	}
}

// leave counts a handler of g off.
func (all *streams) leave(g *guest) {
	all.handlers.Add(-1)
	if g.handlers.Add(-1) == 0 {
		all.hosts.Add(-1)
	}
}

const (
	// maxStrays is how many strays there may be until connections are held up, and
	// maxFree is how many handlers a connection may have that never is.
	maxStrays = 512
	maxFree   = 4

	// A connection is held for pauses of holdPause, at most maxPauses of them.
	holdPause = time.Millisecond
	maxPauses = 30_000
)

// hold waits while there are too many strays, if g has at least half as many handlers as
// connections have on average; the more strays there are, the smaller is the part that
// is held. Strays wait for nothing that is read from a connection.
func (all *streams) hold(g *guest) {
	for range maxPauses {
		strays := all.strays.Load()
		if strays <= maxStrays || g.over.Load() {
			return
		}
		n := g.handlers.Load()
		if n <= maxFree || n*all.hosts.Load()*strays < all.handlers.Load()*maxStrays/2 {
			return
		}
		time.Sleep(holdPause)
	}
}

// mayWait returns how many streams of each connection may wait for their handlers to
// begin.
func (all *streams) mayWait() int64 {
	if all.handlers.Load() > int64(all.maxWaiting)/2 {
		return leastWaiting
	}
	return min(maxWaiting, max(leastWaiting, maxAllWaiting/max(1, all.hosts.Load())))
}

// begin adds s to the waiting streams. It reports false if there is no room.
func (all *streams) begin(s *stream) bool {
	all.mu.Lock()
	share := &s.guest.share
	surplus, counter, ok := all.makeRoom(s.guest)
	if !ok {
		all.mu.Unlock()
		return false
	}
	if !share.listed {
		share.listed = true
		all.guests = append(all.guests, s.guest)
	}
	s.looks = all.looks
	all.insert(s, &share.waiting)
	if !all.looking {
		all.looking = true
		time.AfterFunc(all.period, all.look)
	}
	all.mu.Unlock()
	if surplus != nil {
		surplus.reap(counter)
	}
	return true
}

// makeRoom ends a stream of the connection with most, if there is no room for one more.
// It reports false if that connection is the one that asks: then the new stream is the
// one to end, since a stream that has not begun costs least.
func (all *streams) makeRoom(one *guest) (surplus *stream, counter prometheus.Counter, ok bool) {
	var count func(*guest) int
	switch {
	case all.waiting+all.active >= all.max:
		count, counter = (*guest).countStreams, all.refused
	case all.waiting >= all.maxWaiting:
		count, counter = (*guest).countWaiting, all.reaped
	default:
		return nil, nil, true
	}
	greediest := all.greediest(count)
	if greediest == nil || count(greediest) <= count(one)+1 {
		return nil, nil, false
	}
	if surplus = greediest.share.waiting.oldest; surplus == nil {
		surplus = greediest.share.active.oldest
	}
	all.evict(surplus)
	return surplus, counter, true
}

func (g *guest) countStreams() int { return g.share.count() }
func (g *guest) countWaiting() int { return g.share.waiting.count }

// greediest returns the connection with most, nil if there is none with any.
func (all *streams) greediest(count func(*guest) int) *guest {
	var greediest *guest
	most := 0
	for _, g := range all.guests {
		if n := count(g); n > most {
			greediest, most = g, n
		}
	}
	return greediest
}

// Begun says that a request has begun, so that the stream may last. It may be called more
// than once.
func (s *stream) Begun() {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if s.in == &s.guest.share.waiting { // else it has been ended
		s.all.remove(s)
		s.all.insert(s, &s.guest.share.active)
	}
}

// end forgets a stream whose handler has returned.
func (all *streams) end(s *stream) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if s.in != nil {
		all.remove(s)
	} else {
		all.strays.Add(-1)
	}
}

// evict removes a stream whose handler still runs.
func (all *streams) evict(s *stream) {
	all.remove(s)
	all.strays.Add(1)
}

// look ends the streams that have waited too long.
func (all *streams) look() {
	var late []*stream
	all.mu.Lock()
	all.looks++
	for _, g := range all.guests {
		for s := g.share.waiting.oldest; s != nil && all.looks-s.looks > lookPeriods; s = g.share.waiting.oldest {
			late = append(late, s)
			all.evict(s)
		}
	}
	all.guests = slices.DeleteFunc(all.guests, func(g *guest) bool {
		g.share.listed = g.share.count() > 0
		return !g.share.listed
	})
	if all.looking = all.waiting > 0; all.looking {
		time.AfterFunc(all.period, all.look)
	}
	all.mu.Unlock()
	for _, s := range late {
		s.reap(all.reaped)
	}
}

// reap ends a stream with status OK.
func (s *stream) reap(counter prometheus.Counter) {
	if s.Context().Err() == nil { // else the client has gone
		counter.Inc()
		_ = s.endable.WriteStatus(status.New(codes.OK, "")) // fails if the client has gone
	}
}

func (all *streams) insert(s *stream, q *queue) {
	q.insert(s)
	all.count(q, s.guest, 1)
}

func (all *streams) remove(s *stream) {
	q := s.in
	q.remove(s)
	all.count(q, s.guest, -1)
}

func (all *streams) count(q *queue, of *guest, n int) {
	if q == &of.share.waiting {
		all.waiting += n
	} else {
		all.active += n
	}
}

// A queue has streams of one connection in the order of their arrival. A stream is in
// one queue at most.
type queue struct {
	oldest, newest *stream
	count          int
}

func (q *queue) insert(s *stream) {
	if s.prev = q.newest; s.prev != nil {
		s.prev.next = s
	} else {
		q.oldest = s
	}
	q.newest, s.in = s, q
	q.count++
}

func (q *queue) remove(s *stream) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		q.oldest = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		q.newest = s.prev
	}
	s.in, s.prev, s.next = nil, nil, nil
	q.count--
}
