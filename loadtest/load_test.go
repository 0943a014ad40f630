package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers every request as the upstream does, after before.
func serve(t *testing.T, before func(n int64)) (address string) {
	t.Helper()
	return serveStatus(t, http.StatusOK, before)
}

func serveStatus(t *testing.T, status int, before func(n int64)) (address string) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(n.Add(1))
		w.Header().Set("X-Answer", answerOf("baseline", "", r.Header.Get("X-User-Id")))
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func testLoad(t *testing.T, address string, connections int, v variant) *load {
	t.Helper()
	l := newLoad(address, connections, newUsers(10), v.check)
	t.Cleanup(func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestClosedLoop(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	address := serve(t, func(int64) { served.Add(1) })
	o, err := testLoad(t, address, 3, variantOf("none")).closed(t.Context(), 100)
	if err != nil || o.sent != 100 || o.failed != 0 || served.Load() != 100 {
		t.Errorf("closed = %+v, %v, and %d were served; want 100 sent, none failed", o, err, served.Load())
	}
}

func TestWrongAnswersFail(t *testing.T) {
	t.Parallel()
	_, err := testLoad(t, serve(t, func(int64) {}), 2, variantOf("lua")).closed(t.Context(), 50)
	if err == nil || !strings.Contains(err.Error(), "not one request of 50") {
		t.Errorf("closed with wrong answers only = %v, want an error that says so", err)
	}
	unavailable := serveStatus(t, http.StatusServiceUnavailable, func(int64) {})
	_, err = testLoad(t, unavailable, 2, variantOf("none")).closed(t.Context(), 50)
	if err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("closed with answers of status 503 = %v, want an error that says so", err)
	}
	broken := serve(t, func(n int64) {
		if n == 10 {
			panic(http.ErrAbortHandler)
		}
	})
	o, err := testLoad(t, broken, 1, variantOf("none")).closed(t.Context(), 50)
	if err != nil || o.sent != 50 || o.failed != 1 || o.failure == nil {
		t.Errorf("closed with one broken connection = %+v, %v; want one failure of 50", o, err)
	}
}

// A server that does not answer for half a second keeps the generator from sending
// 50 requests at 100 per second. The histogram must have them.
func TestOpenLoopCorrectsForOmission(t *testing.T) {
	t.Parallel()
	const stall = 500 * time.Millisecond
	address := serve(t, func(n int64) {
		if n == 20 {
			time.Sleep(stall)
		}
	})
	o, err := testLoad(t, address, 1, variantOf("none")).open(t.Context(), 100, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var waited int64
	for _, bar := range o.latency.Distribution() {
		if bar.From >= int64(stall/10) {
			waited += bar.Count
		}
	}
	if waited < 40 {
		t.Errorf("%d values of at least %v are in the histogram, want 40 or more of the 50 that the stall held up", waited, stall/10)
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	address := serve(t, func(n int64) {
		if n == 10 {
			cancel()
		}
	})
	if _, err := testLoad(t, address, 4, variantOf("none")).closed(ctx, 1<<40); !errors.Is(err, context.Canceled) {
		t.Errorf("closed, interrupted = %v, want %v", err, context.Canceled)
	}
}
