package echo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// limit bounds every wait.
const limit = 60 * time.Second

func start(t *testing.T) *Server {
	t.Helper()
	s, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// clients are one for each protocol that the server speaks.
func clients(t *testing.T) map[string]*http.Client {
	t.Helper()
	out := make(map[string]*http.Client)
	for _, name := range []string{"HTTP/1.1", "HTTP/2.0"} {
		var p http.Protocols
		p.SetHTTP1(name == "HTTP/1.1")
		p.SetUnencryptedHTTP2(name == "HTTP/2.0")
		transport := &http.Transport{Protocols: &p, DisableCompression: true}
		t.Cleanup(transport.CloseIdleConnections)
		out[name] = &http.Client{Transport: transport, Timeout: limit}
	}
	return out
}

func sum(text string) string {
	d := sha256.Sum256([]byte(text))
	return hex.EncodeToString(d[:])
}

// A reply is an answer that was read.
type reply struct {
	status          int
	header, trailer http.Header
	length          int64
	text            string
}

// do sends a request and reads the answer.
func do(t *testing.T, c *http.Client, s *Server, method string, body io.Reader, header, trailer http.Header) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://127.0.0.1:%d/a%%2fb?c=d", s.Port()), body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "app"
	r.Header, r.Trailer = header, trailer
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, response.Trailer, response.ContentLength, string(text)}
}

func TestReport(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, c := range clients(t) {
		t.Run(name, func(t *testing.T) {
			response := do(t, c, s, "PUT", io.MultiReader(strings.NewReader("ab"), strings.NewReader("c")), http.Header{
				"User-Agent":       {""}, // none
				"x-user-id":        {"jack\xff", "", "jack"},
				"X-Asm-Prefer-Tag": {"s2", "s1"},
				"appver-a":         {"v2"},
				"x-echo-keep":      {name},
			}, http.Header{"X-Late": {"1", "2"}})
			if got, want := response.header.Get(TagsHeader), "appver-a=v2, x-asm-prefer-tag=s2, x-asm-prefer-tag=s1"; got != want {
				t.Errorf("%s = %q, want %q", TagsHeader, got, want)
			}
			if got, want := response.header.Get(SHA256Header), sum(response.text); got != want {
				t.Errorf("%s = %q, want %q", SHA256Header, got, want)
			}
			want := Report{
				Protocol: name, Method: "PUT", Path: "/a%2fb?c=d", Authority: "app",
				Headers: map[Bytes][]Bytes{
					"x-user-id":        {"jack\xff", "", "jack"},
					"x-asm-prefer-tag": {"s2", "s1"},
					"appver-a":         {"v2"},
					"x-echo-keep":      {Bytes(name)},
				},
				Trailers:   map[Bytes][]Bytes{"x-late": {"1", "2"}},
				Chunked:    name == "HTTP/1.1",
				BodyBytes:  3,
				BodySHA256: sum("abc"),
			}
			var got Report
			if err := json.Unmarshal([]byte(response.text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the report (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]Report{want}, s.Take(name)); diff != "" {
				t.Errorf("Take (-want +got):\n%s", diff)
			}
			if again := s.Take(name); len(again) > 0 {
				t.Errorf("a second Take = %v, want nothing", again)
			}
		})
	}
}

// TestRepeated checks that reports of one request sent twice are the same bytes, and
// that each is kept.
func TestRepeated(t *testing.T) {
	t.Parallel()
	s := start(t)
	header := http.Header{"X-Echo-Keep": {"twice"}}
	for i := range 50 {
		header.Set(fmt.Sprintf("X-%d", i), "v")
	}
	c := clients(t)["HTTP/1.1"]
	first := do(t, c, s, "GET", nil, header, nil)
	second := do(t, c, s, "GET", nil, header, nil)
	if first.text != second.text {
		t.Errorf("the same request gave\n%s and\n%s", first.text, second.text)
	}
	if n := len(s.Take("twice")); n != 2 {
		t.Errorf("%d reports are kept, want 2", n)
	}
}

func TestOrders(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, c := range clients(t) {
		t.Run(name, func(t *testing.T) {
			response := do(t, c, s, "POST", strings.NewReader("x"), http.Header{
				"X-Echo-Status":  {"404"},
				"X-Echo-Bytes":   {"100000"},
				"X-Echo-Trailer": {"x-a=1", "x-b=", "x-a=2"},
			}, nil)
			want, err := io.ReadAll(Body(100_000))
			if err != nil {
				t.Fatal(err)
			}
			if response.status != http.StatusNotFound || response.text != string(want) || response.header.Get(SHA256Header) != sum(response.text) {
				t.Errorf("answer %d with %d bytes of digest %s, want 404 with 100,000 bytes of %s",
					response.status, len(response.text), response.header.Get(SHA256Header), sum(string(want)))
			}
			if diff := cmp.Diff(http.Header{"X-A": {"1", "2"}, "X-B": {""}}, response.trailer); diff != "" {
				t.Errorf("trailers (-want +got):\n%s", diff)
			}
			if tags, ok := response.header[http.CanonicalHeaderKey(TagsHeader)]; ok {
				t.Errorf("%s = %q without a tag, want none", TagsHeader, tags)
			}

			response = do(t, c, s, "HEAD", nil, http.Header{"X-Echo-Bytes": {"7"}}, nil)
			if response.status != http.StatusOK || response.text != "" || response.length != 7 {
				t.Errorf("HEAD: answer %d with length %d and the body %q, want 200, 7 and none", response.status, response.length, response.text)
			}
			for _, status := range []int{http.StatusNoContent, http.StatusNotModified} {
				response = do(t, c, s, "GET", nil, http.Header{"X-Echo-Status": {strconv.Itoa(status)}, "X-Echo-Bytes": {"7"}}, nil)
				if response.status != status || response.text != "" {
					t.Errorf("answer %d with the body %q, want %d and none", response.status, response.text, status)
				}
			}
			for header, value := range map[string]string{
				DelayHeader: "soon", StatusHeader: "199", BytesHeader: "-1", TrailerHeader: "x-a",
			} {
				response = do(t, c, s, "GET", nil, http.Header{header: {value}}, nil)
				if response.status != http.StatusBadRequest || !strings.Contains(response.text, value) || response.header.Get(SHA256Header) != "" {
					t.Errorf("%s: %s gave %d %q, want 400, the value, and no digest", header, value, response.status, response.text)
				}
			}
		})
	}
}

// TestDelay checks that a delay delays, and ends with the client or the server.
func TestDelay(t *testing.T) {
	t.Parallel()
	for name, c := range clients(t) {
		t.Run(name, func(t *testing.T) {
			s, err := Start()
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			do(t, c, s, "GET", nil, http.Header{DelayHeader: {"50ms"}}, nil)
			if took := time.Since(begin); took < 50*time.Millisecond {
				t.Errorf("an answer that was to take 50 ms took %v", took)
			}

			// Both waits would outlast the test: goleak sees one that goes on.
			ctx, cancel := context.WithCancel(t.Context())
			clientGone, serverGone := make(chan error, 1), make(chan error, 1)
			ask := func(ctx context.Context, key string, done chan<- error) {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", s.Port()), http.NoBody)
				if err == nil {
					r.Header = http.Header{DelayHeader: {"1h"}, KeepHeader: {key}}
					var response *http.Response
					if response, err = c.Do(r); err == nil {
						_, err = io.ReadAll(response.Body)
						response.Body.Close()
					}
				}
				done <- err
			}
			go ask(ctx, "client", clientGone)
			go ask(t.Context(), "server", serverGone)
			for _, key := range []string{"client", "server"} {
				for end := time.Now().Add(limit); len(s.Take(key)) == 0; time.Sleep(time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("the request %s did not arrive", key)
					}
				}
			}
			cancel()
			if err := <-clientGone; !errors.Is(err, context.Canceled) {
				t.Errorf("a client that went away got %v, want %v", err, context.Canceled)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-serverGone; err == nil {
				t.Error("a server that was closed answered")
			}
		})
	}
}

// TestHalfRequest checks that a request that breaks off is not reported.
func TestHalfRequest(t *testing.T) {
	t.Parallel()
	s := start(t)
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Echo-Keep: half\r\n\r\nabc")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); len(answer) > 0 || err != nil {
		t.Errorf("half a request was answered: %q, %v", answer, err)
	}
	if got := s.Take("half"); len(got) > 0 {
		t.Errorf("half a request was reported: %v", got)
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	text, err := json.Marshal(Bytes(all))
	if err != nil {
		t.Fatal(err)
	}
	var back Bytes
	if err := json.Unmarshal(text, &back); err != nil || back != Bytes(all) {
		t.Errorf("every byte came back as %q, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`"Ā"`), &back); err == nil {
		t.Error(`Unmarshal("Ā"): no error, want one: it stands for no byte`)
	}
}
