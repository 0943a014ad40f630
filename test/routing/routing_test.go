package routing

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/source"
)

var (
	full = flag.Bool("full", false, "send 20,000 requests through each Envoy")
	seed = flag.Uint64("seed", 1, "seed of configurations and requests")
)

func TestMain(m *testing.M) { leak.Main(m) }

// limit bounds every wait for Envoy.
const limit = time.Minute

// TestRoutes checks that the model takes the route that Envoy takes.
func TestRoutes(t *testing.T) {
	envoys, listeners, requests := 1, 40, 40
	if *full {
		envoys, listeners, requests = 5, 100, 40
	}
	envoytest.Each(t, func(t *testing.T, binary string) {
		t.Helper()
		t.Parallel()
		var sure, open int
		for n := range envoys {
			s, o := compare(t, binary, generator{rand.New(rand.NewPCG(*seed, uint64(n)))}, listeners, requests)
			sure, open = sure+s, open+o
		}
		t.Logf("%d requests: the model took Envoy's route for all of %d, and could not tell of %d", sure+open, sure, open)
		if open*4 > sure {
			t.Errorf("the model cannot tell of %d requests, and of %d it can", open, sure)
		}
	})
}

// compare sends requests through one Envoy and the model. It returns of how many the
// model was sure, and of how many not.
func compare(t *testing.T, binary string, g generator, listeners, requests int) (sure, open int) {
	t.Helper()
	var list []any
	for i := range listeners {
		list = append(list, g.listener(strconv.Itoa(i)))
	}
	config, err := json.Marshal(object{
		"admin":            object{"address": object{"socket_address": object{"address": "127.0.0.1", "port_value": 0}}},
		"static_resources": object{"listeners": list},
	})
	if err != nil {
		t.Fatal(err)
	}
	docs, problems := source.Documents("generated", config, source.MaxFileSize)
	model, more := envoyconf.Read(docs)
	if problems = append(problems, more...); len(problems) > 0 {
		t.Fatalf("the model refuses the configuration: %v", problems)
	}
	p, err := envoy.Start(t.Context(), envoy.Options{Binary: binary, Config: config, LogLevel: "error"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for _, l := range model.Listeners {
		c := dial(t, p.Listeners[l.GetName()])
		port := c.RemoteAddr().(*net.TCPAddr).Port
		l.GetAddress().GetSocketAddress().PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(port)} // Envoy took a free one
		for range requests {
			r := g.request(port)
			got := c.send(t, r)
			result := l.Trace(r.model())
			want := answers(result)
			if result.Certain() {
				sure++
			} else {
				open++
			}
			if len(result.Doubts) == 0 && !slices.Contains(want, got) {
				t.Errorf("Envoy answers %s, and the model says %s, to %+v\n%s", got, strings.Join(want, " or "), r, described(result))
				break
			}
		}
		c.Close()
	}
	return sure, open
}

// answers returns what Envoy may answer by a result.
func answers(r *envoyconf.Result) (all []string) {
	for _, route := range r.Candidates() {
		if route == nil {
			all = append(all, "404")
			continue
		}
		all = append(all, route.GetName())
	}
	if len(all) == 0 {
		all = append(all, strconv.Itoa(r.Status))
	}
	return all
}

// described writes how the model comes to a result.
func described(r *envoyconf.Result) string {
	var b strings.Builder
	m := r.Chain.HTTP
	fmt.Fprintf(&b, "by %v\n%v\n", m.HttpConnectionManager, m.Routes.RouteConfiguration)
	for _, h := range m.Routes.Hosts {
		fmt.Fprintf(&b, "host %s %q\n", h.GetName(), h.GetDomains())
		if h == r.Host {
			for _, route := range h.Routes {
				fmt.Fprintf(&b, "  %s %v\n", route.GetName(), route.GetMatch())
			}
		}
	}
	fmt.Fprintf(&b, "as %+v, host by %q\n", *r.Request, r.Domain)
	for _, t := range r.Tried {
		fmt.Fprintf(&b, "  %s %d %s\n", t.Route.GetName(), t.Answer, t.Why)
	}
	return b.String()
}

// model returns the request as the model takes it.
func (r request) model() *envoyconf.Request {
	m := &envoyconf.Request{Method: r.method, Authority: r.host, Path: r.path}
	for _, h := range r.headers {
		m.Headers = append(m.Headers, envoyconf.Header{Name: strings.ToLower(h[0]), Value: h[1]})
	}
	return m
}

// A conn sends requests to Envoy as they are.
type conn struct {
	net.Conn

	addr string
	in   *bufio.Reader
}

func dial(t *testing.T, addr string) *conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		t.Fatal(err)
	}
	return &conn{c, addr, bufio.NewReader(c)}
}

// send returns the name of the route that answers, or else the status.
func (c *conn) send(t *testing.T, r request) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n", r.method, r.path, r.host)
	for _, h := range r.headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, b.String()+"\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	if response.Close {
		c.Close()
		*c = *dial(t, c.addr)
	}
	if name := response.Header.Get("x-route"); name != "" {
		return name
	}
	switch response.Header.Get("grpc-status") { // what gRPC makes of a status
	case "12":
		return "404"
	case "2":
		return "301"
	}
	return strconv.Itoa(response.StatusCode)
}

// TestCovers checks that a route behind one that covers it is never taken.
func TestCovers(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(*seed, 0))}
	covered := 0
	for range 150 {
		config, err := json.Marshal(g.routes())
		if err != nil {
			t.Fatal(err)
		}
		docs, problems := source.Documents("generated", config, source.MaxFileSize)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		model, _ := envoyconf.Read(docs)
		for _, c := range model.Routes {
			for _, h := range c.Hosts {
				covered += covers(t, g, c, h)
			}
		}
	}
	if covered < 30 {
		t.Errorf("%d routes are covered: too few to tell", covered)
	}
}

// covers returns how many routes of a virtual host are covered by an earlier one.
func covers(t *testing.T, g generator, c *envoyconf.RouteConfig, h *envoyconf.VirtualHost) (covered int) {
	t.Helper()
	for j, later := range h.Routes {
		i := slices.IndexFunc(h.Routes[:j], func(r *envoyconf.Route) bool { return r.Covers(later) })
		if i < 0 {
			continue
		}
		covered++
		for range 50 {
			r := g.request(80).model()
			r.Method, r.Scheme = "GET", "http"
			if tried, _ := c.Take(h, r); len(tried) > j && tried[j].Answer > tried[i].Answer {
				t.Errorf("%+v is for route %v, and not for %v, which covers it", r, later.GetMatch(), h.Routes[i].GetMatch())
				break
			}
		}
	}
	return covered
}
