package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
)

// TestEnvoy checks that both releases of Envoy take what is printed and do what it
// is for: the tag reaches the routes, and what was forged does not.
func TestEnvoy(t *testing.T) {
	envoytest.Each(t, testEnvoy)
}

func testEnvoy(t *testing.T, binary string) {
	t.Helper()
	for _, c := range []struct {
		name    string
		src     string   // rules that give everyone v in each of tags
		tags    []string // routes that there are
		options func(o *Options)
		service bool // else a socket
		dead    bool // nothing listens there
		headers []string
		filler  int // further headers
		want    string
	}{
		{name: "socket", src: everyone("x-tag"), tags: []string{"x-tag"}, headers: []string{"x-user-id: jack"}, want: "200 x-tag"},
		{name: "service", src: everyone("x-tag"), tags: []string{"x-tag"}, service: true, headers: []string{"x-user-id: jack"}, want: "200 x-tag"},
		{name: "authn", src: everyone("x-tag"), tags: []string{"x-tag"}, options: func(o *Options) { o.Phase = PhaseAuthn }, headers: []string{"x-user-id: jack"}, want: "200 x-tag"},
		{name: "no key", src: everyone("x-tag"), tags: []string{"x-tag"}, headers: []string{"x-tag: v"}, want: "200 none"},
		{name: "a name full of metacharacters", src: oddly("x|y$^"), tags: []string{"x|y$^", "x"}, headers: []string{"x-user-id: jack"}, want: "200 x|y$^"},
		{name: "a prefix full of them", src: oddly("p.q+z"), tags: []string{"p.q+z"}, headers: []string{"x-user-id: jack"}, want: "200 p.q+z"},
		{name: "many headers", src: everyone("x-tag"), tags: []string{"x-tag"}, headers: []string{"x-user-id: jack"}, filler: 150, want: "200 x-tag"},
		{name: "the most tag headers of the longest names", src: most(), tags: []string{long("z", "h")}, headers: []string{"x-user-id: jack"}, want: "200 " + long("z", "h")},

		{name: "a cookie", src: language, tags: []string{"x-tag"}, headers: []string{"cookie: a=1; uid=jack"}, want: "200 x-tag"},
		{name: "a parameter of the query", src: language, tags: []string{"x-tag"}, headers: []string{":path: /x?uid=jack"}, want: "200 x-tag"},
		{name: "a cookie of another bucket before a parameter", src: language, tags: []string{"x-tag"}, headers: []string{":path: /x?uid=jack", "cookie: uid=jason"}, want: "200 none"},
		{name: "a host, a path and a header", src: language, tags: []string{"x-shop"}, headers: []string{"host: Shop.example.com:80", ":path: /checkout/1", "x-beta: 1", "x-user-id: jack"}, want: "200 x-shop"},
		{name: "another host", src: language, tags: []string{"x-shop"}, headers: []string{"host: other.example.com", ":path: /checkout/1", "x-beta: 1", "x-user-id: jack"}, want: "200 none"},
		{name: "another path", src: language, tags: []string{"x-shop"}, headers: []string{"host: shop.example.com", ":path: /checkouts", "x-beta: 1", "x-user-id: jack"}, want: "200 none"},
		{name: "another value", src: language, tags: []string{"x-shop"}, headers: []string{"host: shop.example.com", ":path: /checkout/1", "x-beta: 2", "x-user-id: jack"}, want: "200 none"},
		{name: "what is declared as forwarded", src: "forwarded: {headers: [x-user-id, x-beta, cookie, \":authority\", \":path\"]}\n" + language, tags: []string{"x-shop"}, headers: []string{"host: shop.example.com", ":path: /checkout/1", "x-beta: 1", "x-user-id: jack"}, want: "200 x-shop"},

		{name: "dead, fail-open", src: everyone("x-tag"), tags: []string{"x-tag"}, dead: true, headers: []string{"x-user-id: jack"}, want: "200 none"},
		{name: "dead, forged", src: everyone("x-tag"), tags: []string{"x-tag"}, dead: true, headers: []string{"X-Tag: v"}, want: "200 none"},
		{name: "dead, forged by prefix", src: oddly("p.q+z"), tags: []string{"p.q+z"}, dead: true, headers: []string{"p.q+z: v"}, want: "200 none"},
		{name: "dead, not a tag header", src: oddly("p.q+z"), tags: []string{"pxq+z"}, dead: true, headers: []string{"pxq+z: v"}, want: "200 pxq+z"},
		{name: "dead, forged baggage", src: everyone("x-tag"), tags: []string{"baggage"}, dead: true, headers: []string{"baggage: v"}, want: "200 baggage"},
		{name: "dead, forged baggage stripped", src: everyone("x-tag"), tags: []string{"baggage"}, options: func(o *Options) { o.StripClientBaggage = true }, dead: true, headers: []string{"Baggage: v"}, want: "200 none"},
		{name: "Lua, which asks nobody", src: language, tags: []string{"x-tag", "x-shop"}, options: func(o *Options) { o.DataPath = Lua }, dead: true, headers: []string{"cookie: uid=jack"}, want: "200 x-tag"},
		{name: "Lua, and a forged tag", src: language, tags: []string{"x-tag", "x-shop"}, options: func(o *Options) { o.DataPath = Lua }, dead: true, headers: []string{"x-tag: v", "X-Shop: v", "cookie: uid=jason"}, want: "200 none"},
		{name: "dead, trusted", src: everyone("x-tag") + "trustClientTags: true\n", tags: []string{"x-tag"}, dead: true, headers: []string{"x-tag: v"}, want: "200 x-tag"},
		{name: "dead, fail-closed", src: everyone("x-tag"), tags: []string{"x-tag"}, options: func(o *Options) { o.FailClosed = true }, dead: true, headers: []string{"x-user-id: jack"}, want: "500 "},
		{name: "dead service, fail-closed", src: everyone("x-tag"), tags: []string{"x-tag"}, options: func(o *Options) { o.FailClosed = true }, service: true, dead: true, headers: []string{"x-user-id: jack"}, want: "500 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			table := load(t, c.src)
			o := options()
			o.Timeout = limit // a busy machine is not what is tested
			listener := listen(t, c.service)
			o.Address = "unix://" + listener.Addr().String()
			if c.service {
				o.Address = "tagproc.istio-system:9002"
			}
			if c.options != nil {
				c.options(&o)
			}
			config := decode(t, render(t, table, o))
			if c.service {
				config.cluster = istioCluster(t, "outbound|9002||tagproc.istio-system.svc.cluster.local", uint32(listener.Addr().(*net.TCPAddr).Port))
			}
			if c.dead {
				listener.Close()
			} else {
				serve(t, listener, table)
			}
			gateway := start(t, binary, bootstrap(t, config, c.tags))
			if got := get(t, gateway, c.headers, c.filler); got != c.want {
				t.Errorf("the gateway answers %q, want %q", got, c.want)
			}
		})
	}
}

// language has rules that look at more than a header: at a cookie, the query, the host
// and the path. jack is in bucket 0 to 19 of 100, and jason is not.
const language = `rules:
- {name: tag, keys: [{cookie: uid}, {query: uid}], tagHeader: x-tag, policies: [{range: 20, tagValue: v}]}
- {name: shop, match: {hosts: [shop.example.com], paths: [{prefix: /checkout}], headers: [{name: x-beta, exact: "1"}]}, header: x-user-id, tagHeader: x-shop, policies: [{range: 20, tagValue: v}]}
`

// limit bounds every wait for a condition.
const limit = 60 * time.Second

// everyone has rules that give every user v in tag.
func everyone(tag string) string {
	return fmt.Sprintf("rules: [{header: x-user-id, tagHeader: %q, policies: [{range: 100, tagValue: v}]}]\n", tag)
}

// oddly declares headers of odd names, and gives every user v in tag.
func oddly(tag string) string {
	return `tagHeaders: {headers: ["x.a+b", "x|y$^", "x'y` + "`" + `~!#%&*"], headerPrefixes: ["p.q+"]}` + "\n" + everyone(tag)
}

// most declares as many tag headers as the language allows, as long as it allows.
func most() string {
	var headers, prefixes []string
	for i := range rules.MaxTagHeaders {
		c := string(rune('a' + i%26))
		if i >= 26 {
			c = "0" + c
		}
		headers, prefixes = append(headers, fmt.Sprintf("%q", long(c, "h"))), append(prefixes, fmt.Sprintf("%q", long(c, "p")))
	}
	return fmt.Sprintf("tagHeaders: {headers: [%s], headerPrefixes: [%s]}\n", strings.Join(headers, ","), strings.Join(prefixes, ",")) + everyone(long("z", "h"))
}

// long returns a name of 256 bytes in which every byte needs quoting but the first.
func long(first, last string) string {
	return first + strings.Repeat(".", 256-len(first)-len(last)) + last
}

func listen(t *testing.T, tcp bool) net.Listener {
	t.Helper()
	network, address := "unix", filepath.Join(t.TempDir(), "tagproc.sock")
	if tcp {
		network, address = "tcp", "127.0.0.1:0"
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve answers ext_proc by the rules of table until the test ends.
func serve(t *testing.T, l net.Listener, table *rules.Table) {
	t.Helper()
	p := processor.New(processor.Options{Limits: processor.Limits{MaxHeaders: contract.GatewayMaxHeaders, MaxHeaderBytes: contract.GatewayMaxHeaderKB << 10}})
	p.SetTable(table)
	s := grpc.NewServer(grpc.ForceServerCodecV2(processor.Codec()))
	processor.Register(s, p)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// start runs Envoy until the test ends, and returns the gateway's address.
func start(t *testing.T, binary string, config []byte) string {
	t.Helper()
	p, err := envoy.Start(t.Context(), envoy.Options{Binary: binary, Config: config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p.Listeners["gateway"]
}

// get returns the status and the body of an answer; that of an error is left out.
// Headers may have :path and host.
func get(t *testing.T, address string, headers []string, filler int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	path := ""
	for _, h := range headers {
		if value, ok := strings.CutPrefix(h, ":path: "); ok {
			path = value
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		switch name {
		case ":path":
		case "host":
			request.Host = value
		default:
			request.Header[name] = []string{value} // as it is written
		}
	}
	for i := range filler {
		request.Header.Set(fmt.Sprintf("x-filler-%d", i), "x")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		body = nil
	}
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}
