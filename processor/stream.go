package processor

import (
	"time"

	"github.com/tagproc/tagproc/contract"
)

// A Stream is one gRPC stream of the method Process: one HTTP request. It is for
// one goroutine at a time.
type Stream struct {
	processor *Processor
	direction contract.Direction

	// Whether to hand back pieces of these bodies. Envoy says so in the first message of
	// a stream.
	requestBodyStreamed  bool
	responseBodyStreamed bool
}

// Reply takes a ProcessingRequest in the wire format and appends the ProcessingResponse to
// dst. Without a reply it returns dst unchanged. more reports whether the stream goes on:
// if it is false, end the stream well, at once.
//
// Reply never fails and never panics. It keeps neither dst nor msg, and
// allocates only to make room in dst.
func (s *Stream) Reply(dst, msg []byte) (reply []byte, more bool) {
	pending := s.processor.pending.Add(1)
	defer func() {
		s.processor.pending.Add(-1)
		if cause := recover(); cause != nil {
			s.processor.panicked(cause)
			reply, more = s.leaveUnchanged(dst, msg)
		}
	}()
	if pending > s.processor.maxPending {
		if o, certain := outlineOf(msg); certain && o.phase == requestHeaders {
			s.processor.metrics.messages[s.direction][shed].Add(1)
			return s.passHeaders(dst, &o)
		}
	}
	p := s.processor.plan.Load()
	sc := p.scratch.Get().(*scratch)
	reply, more = s.answer(dst, msg, p, sc)
	p.release(sc) // not after a panic, which may leave anything in it
	return reply, more
}

// answer is Reply with p and the scratch sc.
func (s *Stream) answer(dst, msg []byte, p *plan, sc *scratch) (reply []byte, more bool) {
	start, m := time.Now(), s.processor.metrics
	r := &sc.request
	if !r.read(msg) {
		m.messages[s.direction][malformed].Add(1)
		return s.leaveUnchanged(dst, msg)
	}
	s.note(&r.outline)

	var o outcome
	switch {
	case r.phase == noPhase:
		// Flow control, or nothing at all: the request is yet to come.
		m.messages[s.direction][nothingDone].Add(1)
		return dst, !r.observability
	case r.phase == requestHeaders:
		s.processor.fault.strike()
		reply, o = p.answer(dst, sc, s.direction)
		m.duration.Observe(time.Since(start).Seconds())
		if s.processor.sampling {
			s.processor.sample(p, s.direction, o, sc.decisions)
		}
	case r.phase == requestBody && s.requestBodyStreamed, r.phase == responseBody && s.responseBodyStreamed:
		reply, o = appendChunk(dst, r.phase, &r.chunk), passed
	default:
		reply, o = appendEmpty(dst, r.phase), passed
	}
	m.messages[s.direction][o].Add(1)
	if r.observability {
		// Envoy ignores replies; the decision still counts.
		return dst, false
	}
	return reply, s.streamed()
}

// note keeps what a message says about its stream.
func (s *Stream) note(o *outline) {
	s.requestBodyStreamed = s.requestBodyStreamed || o.requestBodyMode.streamed()
	s.responseBodyStreamed = s.responseBodyStreamed || o.responseBodyMode.streamed()
}

// streamed reports whether Envoy waits for pieces of a body on this stream.
func (s *Stream) streamed() bool { return s.requestBodyStreamed || s.responseBodyStreamed }

// leaveUnchanged answers a message that cannot be read or decided. If it certainly is
// about request headers, the reply changes nothing. Otherwise Envoy might not expect a
// reply, and the stream ends without one.
func (s *Stream) leaveUnchanged(dst, msg []byte) (reply []byte, more bool) {
	o, certain := outlineOf(msg)
	if !certain || o.phase != requestHeaders {
		return dst, false
	}
	return s.passHeaders(dst, &o)
}

// passHeaders answers a message about request headers without a change. It knows only
// the outline of the message.
func (s *Stream) passHeaders(dst []byte, o *outline) (reply []byte, more bool) {
	if o.observability {
		return dst, false
	}
	s.note(o)
	return appendEmpty(dst, requestHeaders), s.streamed()
}
