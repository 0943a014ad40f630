package differential

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/istio/propagation"
	"github.com/tagproc/tagproc/rules"
)

// hopRules are those of the sidecars: of every kind that both data paths know.
const hopRules = `
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
propagation: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules:
- {name: lane, header: x-user-id, tagHeader: x-asm-prefer-tag, overrides: [{values: [jason, "0001"], tagValue: s9}, {values: [bob], none: true}], policies: [{range: 20, tagValue: s2}, {range: 70, tagValue: s1}]}
- {name: account, header: x-account, tagHeader: x-asm-prefer-tag, policies: [{range: 100, tagValue: "s=3,\"\\%"}]}
- {name: a, header: x-user-id, modulo: 1000000, tagHeader: appver-a, policies: [{range: 333333, tagValue: v2}, {range: 666666, tagValue: v3}]}
- {name: b, header: x-user-id, modulo: 7, tagHeader: appver-b, policies: [{range: 3, tagValue: v2}]}
- {name: beta, match: {headers: [{name: x-beta, exact: "1"}, {name: x-off, present: false}]}, keys: [{cookie: uid}, {header: x-user-id}], tagHeader: appver-d, policies: [{from: 50, range: 100, tagValue: v4}, {range: 20, tagValue: v2}]}
- {name: anyone, keys: [{header: x-account}, {cookie: u-1}, {cookie: uid}], tagHeader: appver-d, partitions: [{partitionSize: 30, tagValue: v2}, {partitionSize: 60, tagValue: v3}]}
- {name: present, match: {headers: [{name: x-beta, present: true}]}, keys: [{cookie: uid}], tagHeader: appver-e, overrides: [{values: [jason], none: true}], policies: [{range: 90, tagValue: v5}]}
- {name: hashed, header: x-user-id, hash: xxh3, modulo: 1000000, tagHeader: appver-f, policies: [{range: 333333, tagValue: v2}, {range: 666666, tagValue: v3}]}
- {name: salted, keys: [{header: x-account}, {header: x-user-id}], hash: xxh3, salt: "spring→", tagHeader: appver-g, policies: [{range: 50, tagValue: v2}]}
- {name: ramp, header: x-user-id, tagHeader: appver-h, policies: [{tagValue: v2, ramp: [{at: 2020-01-01T00:00:00Z, range: 20}, {at: "2024-02-29T12:30:00.5+01:00", range: 50}, {at: 2120-01-01T00:00:00Z, range: 100}]}, {range: 60, tagValue: v3}]}
- {name: trial, header: x-user-id, tagHeader: appver-c, mode: shadow, policies: [{range: 100, tagValue: v2}]}
`

// TestDataPaths checks that at a sidecar both data paths send the application the same
// headers, whatever baggage comes: Envoy's Lua filter, and tagproc. Both are what
// istio/propagation prints.
func TestDataPaths(t *testing.T) {
	table, problems := rules.Load("rules.yaml", []byte(hopRules), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	for _, version := range envoy.Versions() {
		t.Run(version, func(t *testing.T) {
			s := newSidecar(t, version)
			for _, d := range []contract.Direction{contract.Restore, contract.Collect, contract.Recompute} {
				t.Run(d.String(), func(t *testing.T) { s.compare(t, d, table) })
			}
			s.checkCounters(t)
		})
	}
}

// compare sends generated requests to the two listeners of a direction.
func (s *sidecar) compare(t *testing.T, d contract.Direction, table *rules.Table) {
	t.Helper()
	total := uint64(300)
	if *full {
		total = 10_000
	}
	var next, refused, changed, decided atomic.Uint64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			lua, extProc := newHop(s.envoy.Listeners[listenerOf(d, propagation.Lua)]), newHop(s.envoy.Listeners[listenerOf(d, propagation.ExtProc)])
			defer lua.close()
			defer extProc.close()
			request := table.NewRequest()
			for !t.Failed() {
				index := next.Add(1) - 1
				if index >= total {
					return
				}
				lines := generateHop(*seed, index)
				if d == contract.Recompute && index%2 == 0 {
					lines = slices.DeleteFunc(lines, saysTag) // the rules alone decide
				}
				l, err := lua.send(lines)
				if err != nil {
					t.Errorf("seed %d, request %d: Lua: %v", *seed, index, err)
					return
				}
				e, err := extProc.send(lines)
				if err != nil {
					t.Errorf("seed %d, request %d: ext_proc: %v", *seed, index, err)
					return
				}
				if !reflect.DeepEqual(l, e) {
					t.Errorf("seed %d, request %d: of\n%.3000q\nLua makes %d\n%.3000q\nand ext_proc %d\n%.3000q", *seed, index, lines, l.status, l.headers, e.status, e.headers)
					return
				}
				switch {
				case l.status != http.StatusOK:
					refused.Add(1)
					continue
				case !reflect.DeepEqual(l.headers, headersOf(lines, l.headers)):
					changed.Add(1)
				}
				if d != contract.Recompute || slices.ContainsFunc(lines, saysTag) {
					continue
				}
				// Tags come only from the rules.
				decided.Add(1)
				if want := decide(table, request, lines); !maps.Equal(tagsOf(l.headers), want) {
					t.Errorf("seed %d, request %d: of\n%.3000q\nthe tags are %q, want %q by the rules", *seed, index, lines, tagsOf(l.headers), want)
					return
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d requests: %d are changed, %d refused by Envoy, %d decided by the rules alone", total, changed.Load(), refused.Load(), decided.Load())
	if changed.Load() < total/4 || refused.Load() > total/4 || d == contract.Recompute && decided.Load() < total/3 {
		t.Errorf("of so many little is learnt")
	}
}

// decide returns the tags that the rules give to a request.
func decide(table *rules.Table, request *rules.Request, lines []string) map[string]string {
	table, _ = table.At(time.Now())
	request.Reset()
	for i, input := range table.Inputs() {
		for _, l := range lines {
			if name, value, _ := strings.Cut(l, ":"); strings.EqualFold(name, input) {
				request.SetHeader(i, []byte(strings.Trim(value, " \t")))
			}
		}
	}
	tags := map[string]string{}
	for _, d := range table.Match(request) {
		if d.Writes() {
			tag := table.Tags()[d.Tag]
			tags[tag.Header] = tag.Value
		}
	}
	return tags
}

func tagsOf(headers map[echo.Bytes][]echo.Bytes) map[string]string {
	tags := map[string]string{}
	for name, values := range headers {
		if isTag(string(name)) {
			tags[string(name)] = fmt.Sprint(values[0])
		}
	}
	return tags
}

func isTag(name string) bool {
	return name == "x-asm-prefer-tag" || strings.HasPrefix(name, "appver")
}

// saysTag reports whether a line is a tag, or baggage, which may have one.
func saysTag(line string) bool {
	name, _, _ := strings.Cut(strings.ToLower(line), ":")
	return isTag(name) || name == "baggage"
}

// headersOf returns lines as headers, and adds those of sent that have no line: Envoy's
// own.
func headersOf(lines []string, sent map[echo.Bytes][]echo.Bytes) map[echo.Bytes][]echo.Bytes {
	headers := map[echo.Bytes][]echo.Bytes{}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ":")
		n := echo.Bytes(strings.ToLower(name))
		headers[n] = append(headers[n], echo.Bytes(strings.Trim(value, " \t")))
	}
	for name, values := range sent {
		if _, ok := headers[name]; !ok && !isTag(string(name)) && name != "baggage" {
			headers[name] = values
		}
	}
	return headers
}

// A hop is a client of one listener.
type hop struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

func newHop(address string) *hop { return &hop{address: address} }

func (h *hop) close() {
	if h.conn != nil {
		h.conn.Close()
		h.conn = nil
	}
}

// A crossing is what became of a request.
type crossing struct {
	status  int
	headers map[echo.Bytes][]echo.Bytes // as the application was sent them, if it was
}

func (h *hop) send(lines []string) (c crossing, err error) {
	defer func() {
		if err != nil || c.status != http.StatusOK {
			h.close()
		}
	}()
	if h.conn == nil {
		if h.conn, err = net.DialTimeout("tcp", h.address, limit); err != nil {
			return c, err
		}
		h.reader = bufio.NewReader(h.conn)
	}
	if err := h.conn.SetDeadline(deadline()); err != nil {
		return c, err
	}
	if _, err := fmt.Fprintf(h.conn, "GET / HTTP/1.1\r\nHost: application\r\n%s\r\n", strings.Join(append(lines, ""), "\r\n")); err != nil {
		return c, err
	}
	response, err := http.ReadResponse(h.reader, nil)
	if err != nil {
		return c, err
	}
	defer response.Body.Close()
	if c.status = response.StatusCode; c.status != http.StatusOK {
		return c, nil
	}
	var report echo.Report
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return c, err
	}
	c.headers = report.Headers
	return c, nil
}

// A sidecar is an Envoy with two listeners for each direction, in front of one
// application.
type sidecar struct {
	envoy *envoy.Process
}

// newSidecar runs one, with a tagproc beside it, until the test ends.
func newSidecar(t *testing.T, version string) *sidecar {
	t.Helper()
	path, err := envoy.FindVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	application, err := echo.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := application.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	socket := filepath.Join(dir, "tagproc.sock")
	startTagprocWith(t, writeRules(t, dir, hopRules), "unix://"+socket)
	config, err := hopConfig(socket, application.Port())
	if err != nil {
		t.Fatal(err)
	}
	process, err := envoy.Start(t.Context(), envoy.Options{Binary: path, Config: config, Concurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &sidecar{process}
}

// checkCounters checks that no filter failed: Envoy lets the request pass then.
func (s *sidecar) checkCounters(t *testing.T) {
	t.Helper()
	for _, d := range []contract.Direction{contract.Restore, contract.Collect, contract.Recompute} {
		for listener, counter := range map[string]string{
			listenerOf(d, propagation.Lua):     "lua.tagproc." + d.String() + ".errors",
			listenerOf(d, propagation.ExtProc): "ext_proc.tagproc." + d.String() + ".failure_mode_allowed",
		} {
			n, err := s.envoy.Stat(t.Context(), "http."+listener+"."+counter)
			if err != nil || n != 0 {
				t.Errorf("%s of the listener %s is %d, %v, want 0", counter, listener, n, err)
			}
		}
		n, err := s.envoy.Stat(t.Context(), "http."+listenerOf(d, propagation.ExtProc)+".ext_proc.tagproc."+d.String()+".rejected_header_mutations")
		if err != nil || n != 0 {
			t.Errorf("%v: %d header mutations are rejected, %v, want none", d, n, err)
		}
	}
}
