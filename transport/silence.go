package transport

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// silencePeriods is how many looks at a silent stream make Options.FirstMessage.
const silencePeriods = 5

// silences are the streams on which no message has come yet. Looking at all of
// them now and then is cheaper than a timer for each, and counting looks instead
// of time spares the streams of a process that was stopped for a while.
type silences struct {
	open    atomic.Int64 // streams, silent or not
	maxOpen int64
	refused prometheus.Counter // streams, since maxOpen were open

	max    int           // at a time; with more, those that have been silent for longest are ended
	period time.Duration // between two looks
	reaped prometheus.Counter

	mu             sync.Mutex
	oldest, newest *silentStream // of a list in the order of their beginning
	count          int
	looks          int
	looking        bool // a look is due
}

// A silentStream is a stream that listens for its first message.
type silentStream struct {
	grpc.ServerStream

	silences *silences
	stream   endable
	spoke    bool

	// For silences.mu.
	listed     bool
	looks      int // of silences, at the beginning
	prev, next *silentStream
}

// An endable is a stream that can be ended while its handler waits for a message,
// which then gets an error. grpc-go has no public name for it: the error of a
// context that ends would be the client's, and a gateway makes a 500 of it.
type endable interface {
	WriteStatus(st *status.Status) error
}

// intercept ends a stream on which no message comes in time, and at once one too
// many. Both end well, as if their handlers had returned.
func (all *silences) intercept(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if all.open.Add(1) > all.maxOpen {
		all.open.Add(-1)
		all.refused.Inc()
		return nil
	}
	defer all.open.Add(-1)
	e, ok := grpc.ServerTransportStreamFromContext(stream.Context()).(endable)
	if !ok {
		return handler(srv, stream) // a grpc-go whose streams cannot be ended: unbounded is better than refused
	}
	s := &silentStream{ServerStream: stream, silences: all, stream: e}
	all.begin(s)
	err := handler(srv, s)
	if !s.spoke {
		all.end(s)
	}
	return err
}

// RecvMsg receives a message.
func (s *silentStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if !s.spoke && err == nil {
		s.spoke = true
		s.silences.end(s)
	}
	return err
}

func (all *silences) begin(s *silentStream) {
	all.mu.Lock()
	s.looks = all.looks
	all.insert(s)
	var surplus *silentStream
	if all.count > all.max {
		surplus = all.oldest
		all.remove(surplus)
	}
	if !all.looking {
		all.looking = true
		time.AfterFunc(all.period, all.look)
	}
	all.mu.Unlock()
	if surplus != nil {
		all.reap(surplus)
	}
}

func (all *silences) end(s *silentStream) {
	all.mu.Lock()
	if s.listed {
		all.remove(s)
	}
	all.mu.Unlock()
}

// look ends the streams that have been silent for too long.
func (all *silences) look() {
	var late []*silentStream
	all.mu.Lock()
	all.looks++
	for all.oldest != nil && all.looks-all.oldest.looks > silencePeriods {
		late = append(late, all.oldest)
		all.remove(all.oldest)
	}
	if all.looking = all.count > 0; all.looking {
		time.AfterFunc(all.period, all.look)
	}
	all.mu.Unlock()
	for _, s := range late {
		all.reap(s)
	}
}

func (all *silences) reap(s *silentStream) {
	if s.Context().Err() == nil { // else the client has gone meanwhile
		all.reaped.Inc()
		_ = s.stream.WriteStatus(status.New(codes.OK, "")) // fails where the client has gone
	}
}

func (all *silences) insert(s *silentStream) {
	s.listed = true
	if s.prev = all.newest; s.prev != nil {
		s.prev.next = s
	} else {
		all.oldest = s
	}
	all.newest = s
	all.count++
}

func (all *silences) remove(s *silentStream) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		all.oldest = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		all.newest = s.prev
	}
	s.listed, s.prev, s.next = false, nil, nil
	all.count--
}
