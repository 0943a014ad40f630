package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/tagproc/tagproc/internal/chain"
	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// environment is what getenv reads.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// serve runs the service on a free port until the test ends, and returns its URL.
func serve(t *testing.T, e environment) string {
	t.Helper()
	service, err := start("127.0.0.1:0", e.get)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Close(); err != nil {
			t.Error(err)
		}
	})
	return fmt.Sprintf("http://127.0.0.1:%d", service.Port())
}

func TestChain(t *testing.T) {
	t.Parallel()
	c := serve(t, environment{"app": "mockc", "version": "v2"})
	b := serve(t, environment{"app": "mockb", "version": "v1", "next": c})
	a := serve(t, environment{"app": "mocka", "version": "v1", "next": b + "/"})

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	const want = "-> mocka(version: v1, ip: 127.0.0.1)-> mockb(version: v1, ip: 127.0.0.1)-> mockc(version: v2, ip: 127.0.0.1)\n"
	if string(body) != want {
		t.Errorf("answer = %q, want %q", body, want)
	}

	request.Header.Set("appver-a", "v2")
	trace, err := chain.Do(client, request)
	if err != nil {
		t.Fatal(err)
	}
	for _, hop := range trace {
		if got := hop.Tags["appver-a"]; len(got) != 1 || got[0] != "v2" {
			t.Errorf("appver-a at %s = %q, want v2", hop.App, got)
		}
	}
}

// A hop that is told to forward baggage forwards it whole, and nothing else.
func TestForward(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Clone()
		_, _ = io.WriteString(w, "[]")
	}))
	defer behind.Close()
	all := http.Header{"Baggage": {"a=1", "b=2"}, "Appver-A": {"v2"}, "X-User-Id": {"jack"}, "Cookie": {"c"}}
	for forward, want := range map[string][]string{
		"":                   {"Appver-A", "X-User-Id"},
		"baggage":            {"Baggage"},
		"baggage, x-user-id": {"Baggage", "X-User-Id"},
		"app*":               {"Appver-A"},
	} {
		transport := &http.Transport{}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			serve(t, environment{"app": "a", "version": "v1", "next": behind.URL, "forward": forward}), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = all.Clone()
		if _, err := chain.Do(&http.Client{Transport: transport}, request); err != nil {
			t.Fatal(err)
		}
		transport.CloseIdleConnections()
		got := <-seen
		for name, values := range all {
			if sent := got[name]; slices.Contains(want, name) && !slices.Equal(sent, values) || !slices.Contains(want, name) && sent != nil {
				t.Errorf("with forward %q the next hop got %s %q, want only %q", forward, name, sent, want)
			}
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		environment environment
		want        string
	}{
		{environment{}, "the environment has no app: set it in the container's env\nthe environment has no version: set it in the container's env"},
		{environment{"app": "a", "version": "v1", "next": "mockb:8000"}, `next is "mockb:8000", want a URL like http://mockb:8000`},
		{environment{"app": "a", "version": "v1", "next": "https://mockb"}, `next is "https://mockb", want a URL like http://mockb:8000`},
		{environment{"app": "a", "version": "v1", "next": "http://mockb/path"}, `next is "http://mockb/path", want a URL like http://mockb:8000`},
		{environment{"app": "a", "version": "v1", "next": "http://mockb:x"}, `next is not a URL: parse "http://mockb:x": invalid port ":x" after host`},
	} {
		service, err := start("127.0.0.1:0", tt.environment.get)
		if err == nil {
			t.Errorf("start(%v) = %v, want an error", tt.environment, service)
			if err := service.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if err.Error() != tt.want {
			t.Errorf("start(%v) = %q, want %q", tt.environment, err, tt.want)
		}
	}
}
