package differential

import (
	"iter"
	"reflect"
	"slices"
	"time"

	"github.com/tagproc/tagproc/internal/echo"
)

// shrinkLimit bounds how long a request is made smaller.
const shrinkLimit = 30 * time.Second

// shrink returns the smallest request it finds that still fails, and why it does.
func shrink(r *request, why string, fails func(*request) (why string, failed bool)) (*request, string) {
	end := time.Now().Add(shrinkLimit)
	from := 0 // the candidates before it did not fail, and most likely will not
	for time.Now().Before(end) {
		smaller := false
		for at, candidate := range candidates(r, from) {
			if reason, failed := fails(candidate); failed {
				r, why, from, smaller = candidate, reason, at, true
			}
			if smaller || time.Now().After(end) {
				break
			}
		}
		if !smaller && from == 0 {
			break
		}
		if !smaller {
			from = 0 // once more from the beginning
		}
	}
	return r, why
}

// candidates yields requests that are simpler than r in one thing, the boldest first,
// and the place of each in this order. It begins with the place from.
func candidates(r *request, from int) iter.Seq2[int, *request] {
	return func(yield func(int, *request) bool) {
		place, done := 0, false
		try := func(change func(*request)) {
			place++
			if done || place <= from {
				return
			}
			smaller := r.clone()
			change(smaller)
			if !reflect.DeepEqual(smaller, r) {
				done = !yield(place-1, smaller)
			}
		}
		for n := len(r.Headers); n > 0; n /= 2 {
			for at := 0; at+n <= len(r.Headers); at += n {
				try(func(s *request) { s.Headers = slices.Delete(s.Headers, at, at+n) })
			}
		}
		try(func(s *request) { s.Answer = answer{} })
		try(func(s *request) { s.Answer.Trailers = nil })
		try(func(s *request) { s.Answer.Status = 0 })
		try(func(s *request) { s.Answer.Body /= 2 })
		try(func(s *request) { s.Trailers = nil })
		for i := range r.Trailers {
			try(func(s *request) { s.Trailers = slices.Delete(s.Trailers, i, i+1) })
		}
		try(func(s *request) { s.Body, s.Chunk, s.Trailers, s.Expect = 0, 0, nil, false })
		try(func(s *request) { s.Body /= 2 })
		try(func(s *request) { s.Body -= min(s.Body, 1) })
		try(func(s *request) {
			if len(s.Trailers) == 0 {
				s.Chunk = 0
			}
		})
		try(func(s *request) { s.Expect = false })
		try(func(s *request) { s.Close = false })
		try(func(s *request) { s.Copies = 0 })
		try(func(s *request) { s.Copies /= 2 })
		try(func(s *request) { s.Protocol = http1 })
		try(func(s *request) { s.Method = "GET" })
		try(func(s *request) { s.Path = "/" })
		try(func(s *request) { s.Authority = "mocka" })
		for i := range r.Headers {
			for _, times := range []int{0, r.Headers[i].Times / 2, r.Headers[i].Times - 1} {
				try(func(s *request) { s.Headers[i].Times = max(0, times) })
			}
			for _, value := range []echo.Bytes{"", "a", r.Headers[i].Value[:len(r.Headers[i].Value)/2]} {
				try(func(s *request) {
					if len(value) < len(s.Headers[i].Value) {
						s.Headers[i].Value = value
					}
				})
			}
			try(func(s *request) {
				if !s.has("x") || len(s.Headers) > 20 {
					s.Headers[i].Name = "x"
				}
			})
		}
	}
}

func (r *request) clone() *request {
	c := *r
	c.Headers = slices.Clone(r.Headers)
	c.Trailers = slices.Clone(r.Trailers)
	c.Answer.Trailers = slices.Clone(r.Answer.Trailers)
	return &c
}
