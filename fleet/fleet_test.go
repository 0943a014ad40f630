package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/admin"
	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/state"
	"github.com/tagproc/tagproc/traffic"
)

func TestMain(m *testing.M) { leak.Main(m) }

// noon is between the steps of ramped.
var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

const (
	lane   = "rules: [{name: lane, header: x-user-id, tagHeader: tag, policies: [{range: 20, tagValue: s2}]}]\n"
	older  = "rules: [{name: lane, header: x-user-id, tagHeader: tag, policies: [{range: 10, tagValue: s2}]}]\n"
	bad    = "rules: [{name: lane, header: x-user-id, policies: [{range: 10, tagValue: s2}]}]\n"
	ramped = "rules: [{name: lane, header: x-user-id, tagHeader: tag, policies: [{tagValue: s2, ramp: [{at: 2026-12-01T10:00:00Z, range: 30}, {at: 2026-12-01T13:00:00Z, range: 100}]}]}]\n"
)

func load(t *testing.T, src string) rulefile.Load {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	return rulefile.Load{Table: table, Problems: problems}
}

// serve runs a replica on a loopback address until the test ends. Its clock is ahead of
// noon, and it has found the given files, one after another. It returns its address.
func serve(t *testing.T, address string, ahead time.Duration, files ...string) string {
	t.Helper()
	now := func() time.Time { return noon.Add(ahead) }
	p := processor.New(processor.Options{Now: now})
	t.Cleanup(func() { p.SetTable(nil) })
	r := &admin.Replica{
		Version: "v1", Instance: rand.Text(), File: "rules.yaml", Started: noon, Ready: func() error { return nil }, Now: now,
		Reloads: admin.NewReloads(prometheus.NewRegistry()), Traffic: traffic.New(p.Counts),
	}
	for _, src := range files {
		l := load(t, src)
		if l.Table != nil {
			p.SetTable(l.Table)
		}
		r.Reloads.Record(l)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(admin.Handler(prometheus.NewRegistry(), r.Ready, admin.Options{Replica: r}))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return l.Addr().String()
}

// closed is an address at which nothing listens. A port that was free a moment ago may be
// another test's by now.
const closed = "127.0.0.1:1"

func targets(t *testing.T, addresses ...string) (all []Target) {
	t.Helper()
	for _, a := range addresses {
		target, err := ParseTarget(a)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, target)
	}
	return all
}

// client has a clock that says noon.
func client() *Client { return &Client{Now: func() time.Time { return noon }, Timeout: time.Minute} }

// TestFleet checks who agrees, and what is said of who does not.
func TestFleet(t *testing.T) {
	t.Parallel()
	digest := func(src string) string { return load(t, src).Table.Digest() }
	const anyPort = "127.0.0.1:0"
	for name, tt := range map[string]struct {
		ask     []string
		want    string // the file; "": none
		summary string
		differs []string // the beginnings of what is said, by replica; "": it agrees
	}{
		"all alike":             {[]string{serve(t, anyPort, 0, lane), serve(t, anyPort, time.Second, lane)}, "", "2 of 2 agree on " + digest(lane), []string{"", ""}},
		"one alone":             {[]string{serve(t, anyPort, 0, lane)}, "", "1 of 1 has " + digest(lane), []string{""}},
		"an older file":         {[]string{serve(t, anyPort, 0, lane), serve(t, anyPort, 0, older), serve(t, anyPort, 0, older, lane)}, "", "2 of 3 agree on " + digest(lane), []string{"", "has the rules " + digest(older) + ", live since ", ""}},
		"one each":              {[]string{serve(t, anyPort, 0, older), serve(t, anyPort, 0, lane)}, "", "1 of 2 has " + digest(lane), []string{"has the rules " + digest(older), ""}},
		"the file":              {[]string{serve(t, anyPort, 0, lane)}, lane, "1 of 1 has " + digest(lane) + ", the rules of rules.yaml", []string{""}},
		"another file":          {[]string{serve(t, anyPort, 0, older), serve(t, anyPort, 0, older)}, lane, "0 of 2 agree on " + digest(lane) + ", the rules of rules.yaml", []string{"has the rules " + digest(older), "has the rules " + digest(older)}},
		"refused":               {[]string{serve(t, anyPort, 0, lane), serve(t, anyPort, 0, lane, bad)}, "", "1 of 2 has " + digest(lane), []string{"", "refuses its rules file: rules.yaml:1:9: "}},
		"refused before":        {[]string{serve(t, anyPort, 0, lane), serve(t, anyPort, 0, bad, lane)}, "", "2 of 2 agree on " + digest(lane), []string{"", ""}},
		"no rules":              {[]string{serve(t, anyPort, 0, lane), serve(t, anyPort, 0)}, "", "1 of 2 has " + digest(lane), []string{"", "has no good rules yet"}},
		"down":                  {[]string{serve(t, anyPort, 0, lane), closed}, "", "1 of 2 has " + digest(lane), []string{"", "unreachable: dial tcp "}},
		"all down":              {[]string{closed}, "", "0 of 1; there are no rules to agree on", []string{"unreachable: "}},
		"at the same step":      {[]string{serve(t, anyPort, 0, ramped), serve(t, anyPort, 59*time.Minute, ramped)}, ramped, "2 of 2 agree on " + digest(ramped) + ", at the step of 2026-12-01T10:00:00Z, the rules of rules.yaml", []string{"", ""}},
		"a step ahead":          {[]string{serve(t, anyPort, 0, ramped), serve(t, anyPort, 0, ramped), serve(t, anyPort, time.Hour, ramped)}, "", "2 of 3 agree on " + digest(ramped) + ", at the step of 2026-12-01T10:00:00Z", []string{"", "", "is at another step of the ramps: since 2026-12-01T13:00:00Z, expected 2026-12-01T10:00:00Z; its clock is 1h0m0s ahead"}},
		"all of them behind":    {[]string{serve(t, anyPort, -3*time.Hour, ramped)}, ramped, "0 of 1 agree on " + digest(ramped) + ", at the step of 2026-12-01T10:00:00Z, the rules of rules.yaml", []string{"is at another step of the ramps: since none, expected 2026-12-01T10:00:00Z; its clock is 3h0m0s behind"}},
		"the same at two names": {slices.Repeat([]string{serve(t, anyPort, 0, lane)}, 2), "", "1 of 1 has " + digest(lane), []string{""}},
	} {
		var want *Expectation
		if tt.want != "" {
			want = &Expectation{File: "rules.yaml", Table: load(t, tt.want).Table}
		}
		r := Judge(client().Ask(t.Context(), targets(t, tt.ask...)), want, noon)
		if got := r.Summary(); got != tt.summary {
			t.Errorf("%s: %q, want %q", name, got, tt.summary)
		}
		agree := true
		for i := range r.Replicas {
			got := r.Replicas[i].Differs
			agree = agree && len(got) == 0
			if i >= len(tt.differs) || (len(got) == 0) != (tt.differs[i] == "") || len(got) > 1 || len(got) == 1 && !strings.HasPrefix(got[0], tt.differs[i]) {
				t.Errorf("%s: of replica %d it is said %q, want %q", name, i, got, tt.differs)
			}
		}
		if r.Agree != agree || len(r.Replicas) != len(tt.differs) {
			t.Errorf("%s: of %d replicas all agree: %v, want %d", name, len(r.Replicas), r.Agree, len(tt.differs))
		}
	}
}

// TestNames checks that a name stands for all of its addresses, asked by address: a name
// in the Host would be refused.
func TestNames(t *testing.T) {
	t.Parallel()
	first := serve(t, "127.0.0.1:0", 0, lane)
	_, port, err := net.SplitHostPort(first)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, "127.0.0.2:"+port, 0, older)
	one, two, six, dead := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("100::1"), netip.MustParseAddr("127.0.0.3")
	for name, tt := range map[string]struct {
		addresses []netip.Addr
		err       error
		want      string
	}{
		"both":                      {[]netip.Addr{one, two}, nil, "127.0.0.1:P live, 127.0.0.2:P live"},
		"one is down":               {[]netip.Addr{one, dead}, nil, "127.0.0.1:P live, 127.0.0.3:P down"},
		"a family that nobody uses": {[]netip.Addr{six, one}, nil, "127.0.0.1:P live"},
		"all are down":              {[]netip.Addr{six, dead}, nil, "[100::1]:P down, 127.0.0.3:P down"},
		"no address":                {nil, nil, "tagproc.example:P down"},
		"no such host":              {nil, errors.New("no such host"), "tagproc.example:P down"},
	} {
		c := client()
		c.Lookup = func(_ context.Context, network, host string) ([]netip.Addr, error) {
			if network != "ip" || host != "tagproc.example" {
				t.Errorf("%s %s is looked up", network, host)
			}
			return tt.addresses, tt.err
		}
		c.Timeout = 10 * time.Second // for what no network answers
		var got []string
		for _, r := range c.Ask(t.Context(), targets(t, "tagproc.example:"+port)) {
			says := "live"
			if r.State == nil {
				says = "down"
			}
			got = append(got, strings.ReplaceAll(r.Address, ":"+port, ":P")+" "+says)
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%s: asked are %s, want %s", name, text, tt.want)
		}
	}
}

// TestOneReplicaIsOne checks that a replica at two addresses is one, which names both; that
// replicas which do not answer are several; and that none hides another one by its name.
func TestOneReplicaIsOne(t *testing.T) {
	t.Parallel()
	at := func(address, instance string, edits ...func(*state.State)) Replica {
		s := &state.State{Instance: instance, Digest: "d", Started: noon, Now: noon}
		for _, edit := range edits {
			edit(s)
		}
		return Replica{Address: address, State: s}
	}
	later := func(s *state.State) {
		s.Now, s.Requests = noon.Add(time.Second), []state.Requests{{PerSecond: 1}}
	}
	for _, tt := range []struct {
		asked []Replica
		want  []string
	}{
		{[]Replica{at("a", "x"), at("b", "y"), at("c", "x", later), {Address: "d"}, {Address: "e"}, {Address: "d"}, at("f", ""), at("g", "")}, []string{"a c", "b", "d", "e", "f", "g"}},
		{[]Replica{at("a", "x"), at("a", "x", later), at("b", "x"), at("b", "x")}, []string{"a b"}},
		{[]Replica{at("a", "x"), at("b", "x", func(s *state.State) { s.Digest = "e" })}, []string{"a", "b"}},
		{[]Replica{at("a", "x"), at("b", "x", func(s *state.State) { s.Started = noon.Add(time.Second) })}, []string{"a", "b"}},
		{[]Replica{at("a", "x"), at("b", "x", func(s *state.State) { s.Step = &state.Step{Since: noon} })}, []string{"a", "b"}},
		{[]Replica{at("a", "x"), at("b", "x", func(s *state.State) { s.Refusal = &state.Refusal{At: noon, Present: true} })}, []string{"a", "b"}},
	} {
		var got []string
		for _, r := range unique(tt.asked) {
			got = append(got, strings.Join(append([]string{r.Address}, r.AlsoAt...), " "))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("the replicas are %q, want %q", got, tt.want)
		}
	}
	var text strings.Builder
	if err := Judge(unique([]Replica{at("10.0.0.1:9090", "x"), at("[::1]:9090", "x")}), nil, noon).WriteText(terminal.New(&text)); err != nil {
		t.Fatal(err)
	}
	if want := "10.0.0.1:9090 is the same replica as [::1]:9090\n"; !strings.Contains(text.String(), want) {
		t.Errorf("the text has no %q:\n%s", want, &text)
	}
}

// TestStrangers checks that what listens at an address and is no tagproc is named, costs
// little, and is followed nowhere.
func TestStrangers(t *testing.T) {
	t.Parallel()
	followed := false
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"nothing there": {http.NotFound, "there is no /state: an older tagproc, or another program, listens there"},
		"no JSON":       {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, "the answer cannot be read: invalid character 'h'"},
		"other JSON":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }, "the answer is no state: another program listens there"},
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, strings.Repeat("no ", 10_000), http.StatusMisdirectedRequest)
		}, "421 Misdirected Request: no no"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			followed = followed || r.URL.Path != "/state"
			http.Redirect(w, r, "/other", http.StatusFound)
		}, "302 Found"},
		"no end": {func(w http.ResponseWriter, _ *http.Request) {
			for range state.MaxSize>>20 + 1 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, "the answer has more than 4194304 bytes"},
		"silence": {func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}, "no answer in time"},
	} {
		server := httptest.NewServer(tt.answer)
		t.Cleanup(server.Close)
		c := client()
		if name == "silence" {
			c.Timeout = 100 * time.Millisecond
		}
		r := c.Ask(t.Context(), targets(t, strings.TrimPrefix(server.URL, "http://")))[0]
		if !strings.HasPrefix(r.Unreachable, tt.want) || len(r.Unreachable) > maxError+10 {
			t.Errorf("%s: it is said %q, want %q", name, r.Unreachable, tt.want)
		}
	}
	if followed {
		t.Error("a redirect is followed")
	}
}

// TestParseTarget checks what an address may be.
func TestParseTarget(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"127.0.0.1:9090":        "127.0.0.1:9090",
		"127.0.0.1":             "127.0.0.1:9090",
		"tagproc":               "tagproc:9090",
		"tagproc.x.svc:80":      "tagproc.x.svc:80",
		"[::1]:80":              "[::1]:80",
		"[::1]":                 "[::1]:9090",
		"::1":                   "[::1]:9090",
		"unix:///run/a.sock":    "unix:///run/a.sock",
		"":                      "",
		":9090":                 "",
		"host:":                 "",
		"http://host:9090":      "",
		"http://host:9090/":     "",
		"unix://a.sock":         "",
		"a b:1":                 "",
		"host:9090/state":       "",
		"a:b:c":                 "",
		"10.0.0.1:80, 10.0.0.2": "",
	} {
		got, err := ParseTarget(text)
		if (err != nil) != (want == "") || got.name != want {
			t.Errorf("ParseTarget(%q) = %q, %v, want %q", text, got.name, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "PATH") {
			t.Errorf("ParseTarget(%q): the error %q does not say what to write", text, err)
		}
	}
}

// TestExplain checks that a replica explains by its live rules, and that its answer is
// read back whole.
func TestExplain(t *testing.T) {
	t.Parallel()
	address := serve(t, "127.0.0.1:0", 0, ramped)
	q := explain.Question{Headers: []explain.Header{{Name: "x-user-id", Value: "stacy"}}} // a bucket from 20 to below 30
	for at, want := range map[time.Time]int{{}: 1, noon.Add(-10 * time.Hour): 0} {
		q.At = at
		d, err := client().Explain(t.Context(), targets(t, address)[0], q)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Set) != want || d.Rules[0].Bucket == nil || d.Rules[0].HashValue.String() == "0" {
			t.Errorf("at %v stacy gets %v by %+v, want %d tags", at, d.Set, d.Rules[0], want)
		}
	}
	_, err := client().Explain(t.Context(), targets(t, serve(t, "127.0.0.1:0", 0))[0], q)
	if err == nil || !strings.Contains(err.Error(), "there are no good rules yet") {
		t.Errorf("a replica without rules explains: %v", err)
	}
}
