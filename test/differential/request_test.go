package differential

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/tagproc/tagproc/internal/echo"
)

// The protocols of a client.
const (
	http1 = "HTTP/1.1"
	http2 = "HTTP/2"
)

// A request is what is sent to both listeners, byte for byte. Its JSON is the form in
// which testdata keeps it.
type request struct {
	Why string `json:"why,omitempty"` // what it showed, for readers

	Protocol  string     `json:"protocol"`
	Method    echo.Bytes `json:"method"`
	Path      echo.Bytes `json:"path"`
	Authority echo.Bytes `json:"authority"`
	Headers   []field    `json:"headers,omitempty"`

	// The body is echo.Body(Body). With Chunk it comes in pieces of this many bytes and
	// without content-length, which is the only way to send trailers.
	Body     int64   `json:"body,omitempty"`
	Chunk    int     `json:"chunk,omitempty"`
	Trailers []field `json:"trailers,omitempty"`

	Expect bool `json:"expect,omitempty"` // wait for 100 Continue before the body
	Close  bool `json:"close,omitempty"`  // HTTP/1.1: ask to close the connection
	Copies int  `json:"copies,omitempty"` // HTTP/1.1: send it as often back to back; 0: once

	Answer answer `json:"answer"`
}

// An answer is what the upstream is asked for.
type answer struct {
	Status   int     `json:"status,omitempty"` // 0: 200
	Body     int64   `json:"body,omitempty"`
	Trailers []field `json:"trailers,omitempty"`
}

// A field is a header or trailer: Value, Times times in a row. 0 times is once.
type field struct {
	Name  echo.Bytes `json:"name"`
	Value echo.Bytes `json:"value"`
	Times int        `json:"times,omitempty"`
}

func (f field) value() string { return strings.Repeat(string(f.Value), max(1, f.Times)) }

// fields returns all headers in the order in which they are sent. key names the report
// of the upstream.
func (r *request) fields(key string) []field {
	all := []field{{Name: echo.KeepHeader, Value: echo.Bytes(key)}, {Name: echo.BytesHeader, Value: number(r.Answer.Body)}}
	if r.Answer.Status != 0 {
		all = append(all, field{Name: echo.StatusHeader, Value: number(int64(r.Answer.Status))})
	}
	for _, t := range r.Answer.Trailers {
		all = append(all, field{Name: echo.TrailerHeader, Value: t.Name + "=" + echo.Bytes(t.value())})
	}
	switch {
	case r.Body > 0 && r.Chunk == 0:
		all = append(all, field{Name: "content-length", Value: number(r.Body)})
	case r.chunked() && r.Protocol == http1:
		all = append(all, field{Name: "transfer-encoding", Value: "chunked"})
	}
	if len(r.Trailers) > 0 {
		// The upstream's HTTP/2 knows no other trailers.
		var names []string
		for _, t := range r.Trailers {
			names = append(names, string(t.Name))
		}
		all = append(all, field{Name: "trailer", Value: echo.Bytes(strings.Join(names, ","))})
	}
	if r.Expect {
		all = append(all, field{Name: "expect", Value: "100-continue"})
	}
	if r.Close && r.Protocol == http1 {
		all = append(all, field{Name: "connection", Value: "close"})
	}
	if r.Protocol == http2 {
		for i := range all {
			all[i].Name = echo.Bytes(strings.ToLower(string(all[i].Name)))
		}
	}
	return append(all, r.Headers...)
}

// chunked reports whether the body, which may be empty, comes in pieces.
func (r *request) chunked() bool { return r.Chunk > 0 && (r.Body > 0 || len(r.Trailers) > 0) }

func number(n int64) echo.Bytes { return echo.Bytes(strconv.FormatInt(n, 10)) }

// size returns how many headers the request has and how many bytes their names and
// values are, without what the protocols add.
func (r *request) size() (count, bytes int) {
	for _, f := range r.fields(strings.Repeat("k", keyLength)) {
		count++
		bytes += len(f.Name) + len(f.value())
	}
	return count, bytes
}

// withinBuffer returns the same request with no more body than Envoy buffers. In the
// mode BUFFERED Envoy answers 413 to more: with tagproc seldom, where a body comes
// faster than the end of tagproc's stream.
func (r *request) withinBuffer() *request {
	within := r.clone()
	within.Body = min(within.Body, 1<<20)
	return within
}

// String returns the request as testdata keeps it.
func (r *request) String() string {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err.Error()
	}
	return string(text) + "\n"
}

func readRequest(path string) (*request, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &request{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Protocol != http1 && r.Protocol != http2 {
		return nil, fmt.Errorf("%s: protocol is %q; want %q or %q", path, r.Protocol, http1, http2)
	}
	return r, nil
}
