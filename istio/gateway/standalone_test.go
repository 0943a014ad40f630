package gateway

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/rules"
)

func standaloneOptions() Standalone {
	return Standalone{
		Behaviour: Behaviour{DataPath: ExtProc, Timeout: 200 * time.Millisecond},
		Listen:    "127.0.0.1:10000", Address: []string{"127.0.0.1:9002"},
		Routes: []string{"s2=127.0.0.1:8082"}, Default: "127.0.0.1:8081",
	}
}

func renderStandalone(t tester, table *rules.Table, o Standalone) string {
	t.Helper()
	tree, err := Config(table, o)
	if err != nil {
		t.Fatalf("Config = %v", err)
	}
	var out bytes.Buffer
	if err := tree.Write(&out, o.Purpose("rules.yaml")); err != nil {
		t.Fatalf("Write = %v", err)
	}
	return out.String()
}

// standaloneCases are what is printed for rules and options.
var standaloneCases = []struct {
	name, src string
	options   func(o *Standalone)
}{
	{"lanes", lanes, nil},
	{"tracing", lanes, func(o *Standalone) { o.Tracing = "otel.example:4317" }},
	{"tracing-filters-only", lanes, func(o *Standalone) {
		o.Tracing, o.FiltersOnly, o.Routes, o.Default = "127.0.0.1:4317", true, nil, ""
	}},
	{"socket", lanes, func(o *Standalone) { o.Address, o.Listen = []string{"unix:///run/tagproc.sock"}, "[::]:80" }},
	{"two", lanes, func(o *Standalone) { o.Address = []string{"unix:///run/a.sock", "unix:///run/b.sock"} }},
	{"names", lanes, func(o *Standalone) {
		o.Address, o.Default, o.Routes = []string{"tagproc.example:9002"}, "app:80", []string{"x-asm-prefer-tag=s2=app-v2:80"}
	}},
	{"ratios", ratios, func(o *Standalone) {
		o.Routes = []string{"appver-a=v2=127.0.0.1:8082", "appver-b=v2=[::1]:8083", "s2=unix:///run/s2.sock"}
	}},
	{"visitors", `
tagHeaders: {headers: [x-asm-prefer-tag]}
rules:
- match: {hosts: [shop.example.com], paths: [{prefix: /checkout}]}
  keys: [{header: x-user-id}, {cookie: uid}, {query: uid}, {visitor: {}}]
  tagHeader: x-asm-prefer-tag
  policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]`, nil},
	{"undeclared", undeclared, func(o *Standalone) { o.Routes = []string{"X-A=v2=127.0.0.1:8082"} }},
	{"odd-names", odd, func(o *Standalone) { o.Routes = []string{"v2=127.0.0.1:8082"} }},
	{"trusting", trusting, nil},
	{"propagated", carried, nil},
	{"strip-baggage", carried, func(o *Standalone) { o.StripClientBaggage = true }},
	{"fail-closed", lanes, func(o *Standalone) { o.FailClosed, o.Timeout = true, 1500*time.Millisecond }},
	{"tls", lanes, func(o *Standalone) { o.Address, o.TLS.CA = []string{"tagproc.example:9002"}, "ca.crt" }},
	{"mtls", lanes, func(o *Standalone) {
		o.TLS = TLS{CA: "ca.crt", Name: "tagproc.example", Certificate: "envoy.crt", Key: "envoy.key"}
	}},
	{"lua", ratios, func(o *Standalone) { o.DataPath = Lua }},
	{"lua-all", `
tagHeaders: {headers: [x-tag, x-two]}
propagation: {headers: [x-tag]}
rules:
- name: a
  match: {hosts: ["*.example.com"], paths: [{prefix: /shop}], headers: [{name: x-beta, present: false}]}
  keys: [{header: x-user-id}, {cookie: uid}, {query: uid}, {visitor: {}}]
  tagHeader: x-tag
  hash: xxh3
  salt: spring
  overrides: [{key: {header: x-user-id}, values: [jason], tagValue: s2}]
  policies: [{range: 20, tagValue: s2}]
- {name: b, header: x-user-id, tagHeader: x-two, policies: [{tagValue: v3, ramp: [{at: 2026-12-01T09:00:00Z, range: 50}]}]}
- {name: c, header: x-user-id, tagHeader: x-two, mode: shadow, policies: [{range: 10, tagValue: v4}]}
- {name: d, header: x-user-id, tagHeader: x-two, mode: "off", policies: [{range: 10, tagValue: v4}]}`, func(o *Standalone) { o.DataPath, o.StripClientBaggage = Lua, true }},
	{"lua-filters-only", lanes, func(o *Standalone) { o.DataPath, o.FiltersOnly, o.Routes, o.Default = Lua, true, nil, "" }},
	{"json-log", lanes, func(o *Standalone) { o.JSONLog = true }},
	{"no-routes", lanes, func(o *Standalone) { o.Routes = nil }},
	{"filters-only", lanes, func(o *Standalone) { o.FiltersOnly, o.Routes, o.Default = true, nil, "" }},
}

// mostLines is how long the configuration of a set of ordinary rules may be, the command
// that makes it included.
const mostLines = 90

// longer are the cases with more: a filter for visitors, retries at other replicas of
// a name, TLS, more routes, five odd names, rules in Lua, headers of baggage, a line for
// each field of a log in JSON, tags of spans.
var longer = []string{"visitors", "two", "names", "tls", "mtls", "ratios", "odd-names", "lua", "lua-all", "lua-filters-only", "propagated", "strip-baggage", "json-log", "tracing"}

// TestStandaloneGolden checks what is printed, and reads it back strictly, by Envoy's own
// types.
func TestStandaloneGolden(t *testing.T) {
	t.Parallel()
	for _, c := range standaloneCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := standaloneOptions()
			if c.options != nil {
				c.options(&o)
			}
			got := renderStandalone(t, load(t, c.src), o)
			whole := got
			if o.FiltersOnly {
				whole = pasted(t, got)
			}
			envoytest.Bootstrap(t, whole)
			if n := strings.Count(got, "\n") + 3; n > mostLines && !slices.Contains(longer, c.name) {
				t.Errorf("it has %d lines, want at most %d", n, mostLines)
			}
			golden.Check(t, filepath.Join("testdata", "standalone", c.name+".yaml"), got)
		})
	}
}

// TestStandaloneEnvoy checks that each release of Envoy takes what is printed.
func TestStandaloneEnvoy(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, binary string) {
		t.Helper()
		for _, c := range standaloneCases {
			if c.name == "tls" || c.name == "mtls" {
				continue // Envoy reads the certificates: test/e2e has some
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				file := filepath.Join("testdata", "standalone", c.name+".yaml")
				if strings.HasSuffix(c.name, "filters-only") {
					parts, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					file = filepath.Join(t.TempDir(), "envoy.yaml")
					if err := os.WriteFile(file, []byte(pasted(t, string(parts))), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				out, err := exec.CommandContext(t.Context(), binary, "--mode", "validate", "-c", file).CombinedOutput()
				if err != nil || bytes.Contains(out, []byte("[warning]")) {
					t.Errorf("envoy --mode validate: %v\n%s", err, out)
				}
			})
		}
	})
}

// pasted returns a configuration with the parts of --filters-only in it, whose routes
// answer themselves.
func pasted(t *testing.T, parts string) string {
	t.Helper()
	type object = map[string]any
	var p struct {
		Filters, Clusters []object
		Runtime           object `yaml:"layered_runtime"`
	}
	if err := yaml.Load([]byte(parts), &p); err != nil {
		t.Fatal(err)
	}
	m := p.Filters[0]["typed_config"].(object)
	m["stat_prefix"] = "own"
	m["http_filters"] = append(m["http_filters"].([]any), object{
		"name": "envoy.filters.http.router", "typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
	})
	m["route_config"] = object{"virtual_hosts": []any{object{"name": "own", "domains": []any{"*"}, "routes": []any{
		object{"match": object{"prefix": "/"}, "direct_response": object{"status": 200}},
	}}}}
	config := object{"static_resources": object{
		"listeners": []any{object{
			"name": "own", "address": object{"socket_address": object{"address": "127.0.0.1", "port_value": 0}},
			"filter_chains": []any{object{"filters": p.Filters}},
		}},
		"clusters": p.Clusters,
	}}
	if p.Runtime != nil {
		config["layered_runtime"] = p.Runtime
	}
	out, err := yaml.Dump(config)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestStandaloneCheck checks that everything that is wrong is said at once, and what to
// do about it.
func TestStandaloneCheck(t *testing.T) {
	t.Parallel()
	same := "rules:\n" +
		"- {header: x-user-id, tagHeader: x-a, policies: [{range: 50, tagValue: v2}]}\n" +
		"- {header: x-user-id, tagHeader: x-b, policies: [{range: 50, tagValue: v2}, {range: 60, tagValue: a=b}, {range: 70, tagValue: v2=c}]}\n"
	for _, c := range []struct {
		name, src string
		options   func(o *Standalone)
		want      []string // "": the error is nil; else its lines
	}{
		{"as they are", lanes, func(*Standalone) {}, nil},
		{"a header in another case", same, func(o *Standalone) { o.Routes = []string{"X-B=v2=a:1", "a=b=a:1", "v2=c=a:1", "x-a=v2=unix:///a=b"} }, nil},
		{"a name with digits", lanes, func(o *Standalone) { o.Default = "app-2.3com:80" }, nil},
		{"a tag that is misspelt", lanes, func(o *Standalone) { o.Routes = []string{"s3=a:1", "x-asm-prefer-tg=s2=a:1"} }, []string{
			`--route "s3=a:1": no rule gives the tag s3 (did you mean "s2"?); they give x-asm-prefer-tag=s2, x-asm-prefer-tag=s1`,
			`--route "x-asm-prefer-tg=s2=a:1": no rule gives the tag x-asm-prefer-tg=s2 (did you mean "x-asm-prefer-tag=s2"?); they give x-asm-prefer-tag=s2, x-asm-prefer-tag=s1`,
		}},
		{"no tags", nothing, func(*Standalone) {}, []string{`--route "s2=127.0.0.1:8082": the rules give no tag`}},
		{"no address", lanes, func(o *Standalone) { o.Routes = []string{"s2"} }, []string{
			`--route "s2": expected TAG=HOST:PORT or TAG_HEADER=TAG=HOST:PORT, as in s2=127.0.0.1:8082`,
		}},
		{"a tag of two headers", same, func(o *Standalone) { o.Routes = []string{"v2=a:1"} }, []string{
			`--route "v2=a:1": several tag headers have this tag; expected x-a=v2=a:1 or x-b=v2=a:1`,
		}},
		{"twice", lanes, func(o *Standalone) { o.Routes = []string{"s2=a:1", "x-asm-prefer-tag=s2=b:1"} }, []string{
			`--route "x-asm-prefer-tag=s2=b:1": appears twice: the second one would take no request`,
		}},
		{"everything", lanes, func(o *Standalone) {
			*o = Standalone{Listen: "localhost:80", Address: []string{"tagproc", "a:0"}, Routes: []string{"s2=10.0.0.300:1", "s1=a:65536", "x=a:1"}, Default: "http://a:1", TLS: TLS{Certificate: "c"}}
		}, []string{
			"--timeout 0s: expected 1ms to 1m",
			`--data-path "": expected ext_proc or lua`,
			`--address "tagproc": expected HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or app.example:8080, or unix:///PATH`,
			`--address "a:0": expected HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or app.example:8080, or unix:///PATH`,
			"--tls-cert: expected --tls-key beside it, the key of the certificate",
			"--tls-cert, --tls-key, --tls-name: expected --tls-ca beside it, the authority of tagproc's certificate: without it Envoy takes any",
			"--tls-ca: expected --tls-name beside several --address, the name in every certificate",
			`--listen "localhost:80": expected an IP address and a port, as in 0.0.0.0:80, or unix:///PATH`,
			`--default "http://a:1": expected HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or app.example:8080, or unix:///PATH`,
			`--route "s2=10.0.0.300:1": "10.0.0.300:1": expected HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or app.example:8080, or unix:///PATH`,
			`--route "s1=a:65536": "a:65536": expected HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or app.example:8080, or unix:///PATH`,
			`--route "x=a:1": no rule gives the tag x; they give x-asm-prefer-tag=s2, x-asm-prefer-tag=s1`,
		}},
		{"no default", lanes, func(o *Standalone) { o.Default = "" }, []string{"--default: expected HOST:PORT, where requests go that no --route takes; or --filters-only"}},
		{"routes beside filters", lanes, func(o *Standalone) { o.FiltersOnly = true }, []string{
			"--filters-only: expected no --route and no --default: routes are those of the configuration that is there",
		}},
		{"a name beside a socket", lanes, func(o *Standalone) { o.Address = []string{"unix:///a", "b:1"} }, []string{
			"--address: expected no name beside a socket, which Envoy cannot have in one cluster",
		}},
		{"no tagproc", lanes, func(o *Standalone) { o.Address = nil }, []string{"--address: expected HOST:PORT or unix:///PATH, where tagproc is"}},
		{"TLS over a socket", lanes, func(o *Standalone) { o.Address, o.TLS = []string{"unix:///a"}, TLS{CA: "c", Key: "k"} }, []string{
			"--tls-key: expected --tls-cert beside it, the certificate of the key",
			"--tls-ca: expected a HOST:PORT at --address: TLS is for TCP",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := standaloneOptions()
			c.options(&o)
			got := ""
			if err := o.Check(load(t, c.src)); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(strings.Join(c.want, "\n"), got); diff != "" {
				t.Errorf("Check (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnrouted checks which tags without a route are told.
func TestUnrouted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src string
		routes    []string
		want      []string // tags
	}{
		{"the baseline needs none", lanes, []string{"s2=a:1"}, nil},
		{"no route at all", lanes, nil, []string{"x-asm-prefer-tag=s2", "x-asm-prefer-tag=s1"}},
		{"the baseline alone", lanes, []string{"s1=a:1"}, []string{"x-asm-prefer-tag=s2"}},
		{"several headers", ratios, []string{"s2=a:1"}, []string{"appver-a=v2", "appver-b=v2"}},
		{"a named user", "rules: [{header: a, tagHeader: x-t, overrides: [{values: [jack], tagValue: beta}, {values: [bob], none: true}], policies: [{range: 20, tagValue: s2}]}]", []string{"s2=a:1"}, []string{"x-t=beta"}},
		{"a shadow", "rules: [{header: a, tagHeader: x-t, mode: shadow, policies: [{range: 20, tagValue: s2}]}]", nil, nil},
		{"not all who are left", "rules: [{header: a, tagHeader: x-t, policies: [{range: 20, tagValue: s2}, {range: 30, tagValue: s3}]}]", []string{"s2=a:1"}, []string{"x-t=s3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := standaloneOptions()
			o.Routes = c.routes
			table := load(t, c.src)
			if err := o.Check(table); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, tag := range c.want {
				want = append(want, "the tag "+tag+" has no --route: requests with it go to --default, unless a route for another tag takes them")
			}
			if diff := cmp.Diff(want, o.Unrouted(table)); diff != "" {
				t.Errorf("Unrouted (-want +got):\n%s", diff)
			}
		})
	}
}
