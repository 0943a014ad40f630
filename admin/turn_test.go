package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurns checks that a question which compiles the rules waits for the one before it, no
// longer than maxWait and no longer than somebody listens, and that few wait.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testTurns)
}

func testTurns(t *testing.T) {
	b := newBed(t)
	b.load(supposed)
	ask := func(ctx context.Context) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/whatif?of=it's%09s2&share=25%25", nil))
		return w
	}
	refused := func(what string, w *httptest.ResponseRecorder) {
		t.Helper()
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s = %d, Retry-After %q; want 503 and a time", what, w.Code, w.Header().Get("Retry-After"))
		}
	}
	leave := b.replica.supposing.take(t.Context())
	// Those who leave make room for others.
	ctx, cancel := context.WithCancel(t.Context())
	for range maxWaiting {
		go ask(ctx)
	}
	synctest.Wait()
	before := time.Now()
	refused("one too many", ask(t.Context()))
	if waited := time.Since(before); waited > 0 {
		t.Errorf("one too many waits %v", waited)
	}
	cancel()
	synctest.Wait()
	if n := len(b.replica.supposing.waiting); n > 0 {
		t.Errorf("%d wait although their clients have left", n)
	}
	before = time.Now()
	refused("one who waits", ask(t.Context()))
	if waited := time.Since(before); waited != maxWait {
		t.Errorf("one who is refused waits %v, want %v", waited, maxWait)
	}
	answer := make(chan int, 1)
	go func() { answer <- ask(t.Context()).Code }()
	synctest.Wait()
	leave()
	if code := <-answer; code != http.StatusOK {
		t.Errorf("the next one = %d, want 200", code)
	}
	// Who reads slowly does not have the turn.
	reading := make(chan struct{})
	slow := &slowReader{ResponseRecorder: httptest.NewRecorder(), reading: reading}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.handler.ServeHTTP(slow, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/whatif?of=it's%09s2&share=25%25", nil))
	}()
	synctest.Wait()
	if w := ask(t.Context()); w.Code != http.StatusOK {
		t.Errorf("beside one who reads slowly the answer is %d, want 200", w.Code)
	}
	close(reading)
	<-ended
	// Who has left before the answer is begun costs no compilation.
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	refused("one whose client has left", ask(ctx))
	if w := ask(t.Context()); w.Code != http.StatusOK {
		t.Errorf("afterwards the answer is %d, want 200", w.Code)
	}
}

// A slowReader takes an answer when its channel is closed.
type slowReader struct {
	*httptest.ResponseRecorder

	reading chan struct{}
}

func (s *slowReader) Write(b []byte) (int, error) {
	<-s.reading
	return s.ResponseRecorder.Write(b)
}
