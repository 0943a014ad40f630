package chain

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// start runs a service until the test ends.
func start(t *testing.T, app, version, next string) *Service {
	t.Helper()
	s, err := Start(app, version, next)
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

func address(s *Service) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port())) }

// get asks s for its hops; the client is the test's own, so that no connection
// outlives the test.
func get(t *testing.T, s *Service, header http.Header) (Trace, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address(s)+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	return Do(&http.Client{Transport: transport}, request)
}

// A chain without Envoy: the address of the mesh is that of the next service.
func startChain(t *testing.T) (a, b, c *Service) {
	t.Helper()
	c = start(t, "mockc", "v1", "")
	b = start(t, "mockb", "v1", "mockc")
	a = start(t, "mocka", "v1", "mockb")
	a.SetMesh(address(b))
	b.SetMesh(address(c))
	return a, b, c
}

func TestTextAnswer(t *testing.T) {
	t.Parallel()
	a, _, c := startChain(t)
	c.SetVersion("v2")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://" + address(a))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	const want = "-> mocka(version: v1, ip: 127.0.0.1)-> mockb(version: v1, ip: 127.0.0.1)-> mockc(version: v2, ip: 127.0.0.1)\n"
	if string(body) != want {
		t.Errorf("answer = %q, want %q", body, want)
	}
}

func TestPropagation(t *testing.T) {
	t.Parallel()
	a, _, _ := startChain(t)
	tags := map[string][]string{
		"x-asm-prefer-tag": {"s2"},
		"appver-a":         {"v2", "v3"},
		"appver":           {"\xff\xfe"},
	}
	trace, err := get(t, a, http.Header{
		"X-User-Id":        {"jack"},
		"X-Asm-Prefer-Tag": {"s2"},
		"Appver-A":         {"v2", "v3"},
		"Appver":           {"\xff\xfe"},
		"X-Other":          {"stays behind"},
	})
	if err != nil {
		t.Fatal(err)
	}
	// JSON has no bytes beyond UTF-8: the answer shows them as U+FFFD.
	tags["appver"] = []string{"\ufffd\ufffd"}
	want := Trace{
		{App: "mocka", Version: "v1", IP: "127.0.0.1", Tags: tags},
		{App: "mockb", Version: "v1", IP: "127.0.0.1", Tags: tags},
		{App: "mockc", Version: "v1", IP: "127.0.0.1", Tags: tags},
	}
	if diff := cmp.Diff(want, trace); diff != "" {
		t.Errorf("hops (-want +got):\n%s", diff)
	}
}

// What a service sends on, header by header, seen by the next hop itself.
func TestForwardsNothingElse(t *testing.T) {
	t.Parallel()
	var host string
	var seen http.Header
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, seen = r.Host, r.Header.Clone()
		_, _ = io.WriteString(w, "[]")
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	a := start(t, "mocka", "v1", "mockb")
	a.SetMesh(listener.Addr().String())
	_, err = get(t, a, http.Header{"X-User-Id": {"\xff", "second"}, "Appver-A": {"v2"}, "Cookie": {"secret"}})
	if err := errors.Join(err, server.Close()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if host != "mockb" {
		t.Errorf("host = %q, want %q", host, "mockb")
	}
	want := http.Header{
		"X-User-Id":  {"\xff", "second"},
		"Appver-A":   {"v2"},
		"Accept":     {"application/json"},
		"User-Agent": {"Go-http-client/1.1"},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("headers at the next hop (-want +got):\n%s", diff)
	}
}

func TestVersionChangesWhileRunning(t *testing.T) {
	t.Parallel()
	a, _, c := startChain(t)
	for _, version := range []string{"v1", "v2", "v1"} {
		c.SetVersion(version)
		trace, err := get(t, a, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"mocka": "v1", "mockb": "v1", "mockc": version}
		if diff := cmp.Diff(want, trace.Versions()); diff != "" {
			t.Errorf("versions (-want +got):\n%s", diff)
		}
	}
}

func TestBrokenChain(t *testing.T) {
	t.Parallel()
	gone, err := Start("mockc", "v1", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	a := start(t, "mocka", "v1", "mockb")
	b := start(t, "mockb", "v1", "mockc")
	a.SetMesh(address(b))

	for _, tt := range []struct {
		name, want string
		setMesh    func()
	}{
		{"no mesh", "mocka couldn't call mockb: answered 502 Bad Gateway: mockb couldn't call mockc: it was not told the mesh's address", func() {}},
		{"mesh gone", "mockb couldn't call mockc: ", func() { b.SetMesh(address(gone)) }},
	} {
		tt.setMesh()
		_, err := get(t, a, nil)
		status, ok := errors.AsType[*StatusError](err)
		if !ok || status.Code != http.StatusBadGateway || !strings.Contains(status.Body, tt.want) {
			t.Errorf("%s: error = %v, want a 502 that says %q", tt.name, err, tt.want)
		}
	}
}
