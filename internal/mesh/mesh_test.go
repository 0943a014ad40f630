package mesh

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/chain"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
)

// No tagproc runs in these tests: they see what Envoy does alone, as users do while
// tagproc is down.

type versions = map[string]string

var (
	lanes    = versions{"mocka": "v1", "mockb": "v1", "mockc": "v1"}
	canary   = versions{"mocka": "v1", "mockb": "v1", "mockc": "v2"}
	baseline = versions{"app-a": "v1", "app-b": "v1", "app-c": "v2"}
)

// start runs a mesh until the test ends, on the Envoy that envoy.Find finds.
func start(t *testing.T, tagproc net.Addr) *Mesh {
	t.Helper()
	return startWith(t, Options{Tagproc: tagproc})
}

// startWith does the same with any options.
func startWith(t *testing.T, o Options) *Mesh {
	t.Helper()
	o.Concurrency = 2
	m, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// nobody is an address of the loopback that refuses connections until the test
// ends. It belongs to a connection, so nobody else can listen there.
func nobody(t *testing.T) *net.TCPAddr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err := errors.Join(err, listener.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().(*net.TCPAddr)
}

// wantVersions asks once and compares.
func wantVersions(t *testing.T, m *Mesh, app string, header http.Header, want versions) chain.Trace {
	t.Helper()
	trace, err := m.Get(t.Context(), app, header)
	if err != nil {
		t.Errorf("%s with %q: %v", app, header, err)
		return nil
	}
	if diff := cmp.Diff(want, trace.Versions()); diff != "" {
		t.Errorf("%s with %q: versions (-want +got):\n%s", app, header, diff)
	}
	return trace
}

func user(id string) http.Header { return http.Header{"X-User-Id": {id}} }

// Fail-open: without tagproc everybody gets the baseline, except the named user,
// whose route needs no tag of tagproc's.
func TestWithoutTagproc(t *testing.T) {
	t.Parallel()
	envoytest.Each(t, testWithoutTagproc)
}

func testWithoutTagproc(t *testing.T, envoy string) {
	t.Helper()
	for name, address := range map[string]net.Addr{
		"TCP":         nobody(t),
		"Unix socket": &net.UnixAddr{Name: filepath.Join(t.TempDir(), "none.sock"), Net: "unix"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startWith(t, Options{Binary: envoy, Tagproc: address})
			for _, id := range []string{"bob", "stacy", "jessie", "vance", "jack", "Jason", "jason2", ""} {
				wantVersions(t, m, "mocka", user(id), lanes)
			}
			for _, id := range []string{"0001", "0005"} {
				wantVersions(t, m, "app-a", user(id), baseline)
			}
			wantVersions(t, m, "mocka", nil, lanes)

			trace := wantVersions(t, m, "mocka", user("jason"), canary)
			for _, hop := range trace {
				if diff := cmp.Diff(map[string][]string{"x-asm-prefer-tag": {"s2"}}, hop.Tags); diff != "" {
					t.Errorf("jason's tags at %s (-want +got):\n%s", hop.App, diff)
				}
			}

			for stat, want := range map[string]uint64{
				"http.ingress.downstream_rq_5xx":                     0,
				"http.mesh.downstream_rq_5xx":                        0,
				"listener_manager.listener_create_failure":           0,
				"http.ingress.ext_proc.tagproc.failure_mode_allowed": 12, // every request above
			} {
				if got, err := m.Envoy.Stat(t.Context(), stat); got != want || err != nil {
					t.Errorf("Stat(%s) = %d, %v; want %d", stat, got, err, want)
				}
			}
		})
	}
}

// A forged tag is gone before a route is chosen: it reaches neither a route nor an
// application, however it is spelt and however often it is sent.
func TestForgedTagsChooseNothing(t *testing.T) {
	t.Parallel()
	m := start(t, nobody(t))
	for _, name := range []string{
		"x-asm-prefer-tag", "X-ASM-PREFER-TAG", "X-Asm-Prefer-Tag",
		"appver-a", "APPVER-A", "Appver-a", "appver", "appver-", "appverify",
	} {
		for _, values := range [][]string{{"s2"}, {"v2"}, {"s1", "s2"}, {"s2", "s2", "v2"}, {""}, {"s2,s2"}} {
			for _, id := range []string{"bob", "jack"} {
				for app, want := range map[string]versions{"mocka": lanes, "app-a": baseline} {
					// Not through Set, which would change the case.
					trace := wantVersions(t, m, app, http.Header{"x-user-id": {id}, name: values}, want)
					for _, hop := range trace {
						if len(hop.Tags) > 0 {
							t.Errorf("%s with %s %q: %s saw %q, want no tags", app, name, values, hop.App, hop.Tags)
						}
					}
				}
			}
		}
	}
	// All at once, and the tag that the named user's route sets is the only one left.
	forged := http.Header{
		"X-User-Id": {"jason"}, "X-Asm-Prefer-Tag": {"s1", "s3"},
		"Appver-A": {"v2"}, "Appver-B": {"v2"}, "Appver-C": {"v3"},
	}
	for _, hop := range wantVersions(t, m, "mocka", forged, canary) {
		if diff := cmp.Diff(map[string][]string{"x-asm-prefer-tag": {"s2"}}, hop.Tags); diff != "" {
			t.Errorf("jason's tags at %s (-want +got):\n%s", hop.App, diff)
		}
	}
	wantVersions(t, m, "app-a", forged, baseline)
}

// Tags choose on the mesh listener, lane by lane and application by application.
func TestMeshRoutesByTag(t *testing.T) {
	t.Parallel()
	m := start(t, nobody(t))
	inner := m.Envoy.Listeners["mesh"]
	for _, tt := range []struct {
		app    string
		header http.Header
		want   versions
	}{
		{"mockb", nil, versions{"mockb": "v1", "mockc": "v1"}},
		{"mockb", http.Header{"X-Asm-Prefer-Tag": {"s1"}}, versions{"mockb": "v1", "mockc": "v1"}},
		{"mockb", http.Header{"X-Asm-Prefer-Tag": {"s2"}}, versions{"mockb": "v1", "mockc": "v2"}},
		{"mockc", http.Header{"X-Asm-Prefer-Tag": {"s3"}}, versions{"mockc": "v1"}},
		{"app-b", nil, versions{"app-b": "v1", "app-c": "v2"}},
		{"app-b", http.Header{"Appver-B": {"v2"}}, versions{"app-b": "v2", "app-c": "v2"}},
		{"app-b", http.Header{"Appver-C": {"v3"}}, versions{"app-b": "v1", "app-c": "v3"}},
		{"app-b", http.Header{"Appver-B": {"v2"}, "Appver-C": {"v3"}}, versions{"app-b": "v2", "app-c": "v3"}},
		{"app-c", http.Header{"Appver-C": {"v2"}}, versions{"app-c": "v2"}},
	} {
		trace, err := m.get(t.Context(), inner, tt.app, tt.header)
		if err != nil {
			t.Errorf("%s with %q: %v", tt.app, tt.header, err)
			continue
		}
		if diff := cmp.Diff(tt.want, trace.Versions()); diff != "" {
			t.Errorf("%s with %q: versions (-want +got):\n%s", tt.app, tt.header, diff)
		}
	}
	_, err := m.get(t.Context(), inner, "mocka", nil)
	if status, ok := errors.AsType[*chain.StatusError](err); !ok || status.Code != http.StatusNotFound {
		t.Errorf("an application that only the ingress knows: %v, want a 404", err)
	}
}

func TestPromote(t *testing.T) {
	t.Parallel()
	m := start(t, nobody(t))
	for app, version := range map[string]string{"mockc": "v2", "app-c": "v3"} {
		if err := m.Promote(app, version); err != nil {
			t.Fatal(err)
		}
	}
	wantVersions(t, m, "mocka", user("bob"), canary)
	wantVersions(t, m, "app-a", user("0001"), versions{"app-a": "v1", "app-b": "v1", "app-c": "v3"})
	m.Reset()
	wantVersions(t, m, "mocka", user("bob"), lanes)
	if err := m.Promote("mockd", "v2"); err == nil || !strings.Contains(err.Error(), "mockd") {
		t.Errorf("Promote of an unknown application = %v, want an error that names it", err)
	}
}

// Envoy's default limit is 100 headers, its own included.
func TestManyHeaders(t *testing.T) {
	t.Parallel()
	envoytest.Each(t, testManyHeaders)
}

func testManyHeaders(t *testing.T, envoy string) {
	t.Helper()
	m := startWith(t, Options{Binary: envoy, Tagproc: nobody(t)})
	for _, n := range []int{60, 90, 93, 97, 98, 100, 150} {
		header := user("jason")
		for i := range n - 1 {
			header.Set(fmt.Sprintf("X-Filler-%d", i), "f")
		}
		wantVersions(t, m, "mocka", header, canary)
	}
	wantVersions(t, m, "mocka", http.Header{"X-User-Id": {"jason"}, "X-Large": {strings.Repeat("x", 100<<10)}}, canary)

	header := user("jason")
	for i := range 220 {
		header.Set(fmt.Sprintf("X-Filler-%d", i), "f")
	}
	_, err := m.Get(t.Context(), "mocka", header)
	if status, ok := errors.AsType[*chain.StatusError](err); !ok || status.Code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("220 headers: %v, want a 431", err)
	}
}

// A line says which tags the next hop was sent, and, at the ingress, that tagproc did
// not answer.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	envoytest.Each(t, testAccessLog)
}

func testAccessLog(t *testing.T, envoy string) {
	t.Helper()
	reader, writer := io.Pipe()
	lines := make(chan string)
	go func() {
		defer close(lines)
		all, _ := io.ReadAll(reader)
		lines <- string(all)
	}()
	m, err := Start(t.Context(), Options{Binary: envoy, Tagproc: nobody(t), Log: writer})
	if err != nil {
		t.Fatal(err)
	}
	wantVersions(t, m, "mocka", user("jason"), canary)
	if err := errors.Join(m.Stop(), writer.Close()); err != nil {
		t.Fatal(err)
	}
	log := <-lines
	for range lines {
		continue
	}
	const tags = " user=jason x-asm-prefer-tag=s2 appver-a=- appver-b=- appver-c=- "
	for _, want := range []string{
		" mocka" + tags + "route=jason cluster=mocka-baseline status=200 flags=- tagproc=14 why=-\n",
		" mockb" + tags + "route=baseline cluster=mockb-baseline status=200 flags=- tagproc=- why=-\n",
		" mockc" + tags + "route=s2 cluster=mockc-canary status=200 flags=- tagproc=- why=-\n",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no line that ends %q:\n%s", want, log)
		}
	}
}

func TestAddressThatEnvoyCannotUse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		address net.Addr
		want    string
	}{
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 1}, "Envoy looks for it on 127.0.0.1"},
		{&net.UDPAddr{}, "is a *net.UDPAddr"},
		{nil, "is a <nil>"},
	} {
		m, err := Start(t.Context(), Options{Tagproc: tt.address})
		if err == nil {
			t.Errorf("Start with %v: no error; Stop: %v", tt.address, m.Stop())
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Start with %v = %v, want an error that says %q", tt.address, err, tt.want)
		}
	}
}
