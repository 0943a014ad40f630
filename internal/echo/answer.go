package echo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Headers of a request that steer its answer. They are reported like any other.
const (
	// DelayHeader is how long to wait before the answer, as time.ParseDuration reads
	// it. The wait ends when the client goes away.
	DelayHeader = "X-Echo-Delay"
	// StatusHeader is the answer's status, 200 to 599; else 200.
	StatusHeader = "X-Echo-Status"
	// BytesHeader is the length of the answer's body, which is then Body instead of
	// the report.
	BytesHeader = "X-Echo-Bytes"
	// TrailerHeader is a trailer of the answer, as name=value. It can be repeated.
	TrailerHeader = "X-Echo-Trailer"
	// KeepHeader is a key by which Server.Take finds the report.
	KeepHeader = "X-Echo-Keep"
)

// Headers of an answer. An answer that has no SHA256Header is not from this server.
const (
	// SHA256Header is the digest of the body, in hex.
	SHA256Header = "X-Echo-Sha256"
	// TagsHeader is the tag headers that arrived, x-asm-prefer-tag and everything that
	// begins with appver, as name=value, sorted by name and separated by ", ". Without
	// tags there is none.
	TagsHeader = "X-Echo-Tags"
)

// maxBytes bounds what BytesHeader can ask for.
const maxBytes = 1 << 30

// An order is what the headers of a request ask for.
type order struct {
	delay    time.Duration
	status   int
	bytes    int64 // negative: the report
	trailers [][2]string
	keep     string
}

func orderOf(h http.Header) (order, error) {
	o := order{status: http.StatusOK, bytes: -1, keep: h.Get(KeepHeader)}
	var err error
	if v := h.Get(DelayHeader); v != "" {
		if o.delay, err = time.ParseDuration(v); err != nil {
			return o, fmt.Errorf("%s is %q; want a duration such as 2s", DelayHeader, v)
		}
	}
	if v := h.Get(StatusHeader); v != "" {
		if o.status, err = strconv.Atoi(v); err != nil || o.status < 200 || o.status > 599 {
			return o, fmt.Errorf("%s is %q; want a number from 200 to 599", StatusHeader, v)
		}
	}
	if v := h.Get(BytesHeader); v != "" {
		if o.bytes, err = strconv.ParseInt(v, 10, 64); err != nil || o.bytes < 0 || o.bytes > maxBytes {
			return o, fmt.Errorf("%s is %q; want a number from 0 to %d", BytesHeader, v, maxBytes)
		}
	}
	for _, v := range h.Values(TrailerHeader) {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return o, fmt.Errorf("%s is %q; want name=value", TrailerHeader, v)
		}
		o.trailers = append(o.trailers, [2]string{name, value})
	}
	return o, nil
}

// answer reads the whole request, waits, and answers. A client that sends no whole
// request, or does not wait, gets no answer, not even an empty one.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	o, err := orderOf(r.Header)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	report, err := read(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if o.keep != "" {
		s.keep(o.keep, report)
	}
	if o.delay > 0 {
		timer := time.NewTimer(o.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	o.write(w, report)
}

// write sends the answer. A write fails when the client is gone.
func (o order) write(w http.ResponseWriter, report Report) {
	var body io.Reader
	var size int64
	digest := sha256.New()
	if o.bytes >= 0 {
		_, _ = io.Copy(digest, Body(o.bytes))
		body, size = Body(o.bytes), o.bytes
	} else {
		text := report.json()
		digest.Write(text)
		body, size = bytes.NewReader(text), int64(len(text))
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set(SHA256Header, hex.EncodeToString(digest.Sum(nil)))
	if tags := report.tags(); tags != "" {
		w.Header().Set(TagsHeader, tags)
	}
	for _, t := range o.trailers {
		if name := t[0]; !slices.Contains(w.Header().Values("Trailer"), name) {
			w.Header().Add("Trailer", name)
		}
	}
	// Trailers need chunks in HTTP/1.1, and these statuses have no body.
	bodyless := o.status == http.StatusNoContent || o.status == http.StatusNotModified
	if len(o.trailers) == 0 && !bodyless {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	}
	w.WriteHeader(o.status)
	if len(o.trailers) > 0 {
		_ = http.NewResponseController(w).Flush() // else an empty body gets a length
	}
	if !bodyless && report.Method != http.MethodHead {
		_, _ = io.Copy(w, body)
	}
	for _, t := range o.trailers {
		w.Header().Add(t[0], t[1])
	}
}

// Body is the body that BytesHeader: n asks for: the same bytes each time, and no
// long run of them twice.
func Body(n int64) io.Reader { return &pattern{left: n} }

type pattern struct{ at, left int64 }

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), p.left))
	for i := range n {
		at := p.at + int64(i)
		b[i] = byte(at ^ at>>8*31 ^ at>>16*17)
	}
	p.at += int64(n)
	p.left -= int64(n)
	return n, nil
}
