package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// An envoy is the listener of one, as far as tests need another than usual.
type envoy struct {
	manager string // more of the connection manager
	service string // more of the service that the filter asks
	filter  string // more of the filter of tagproc; "none": there is no filter; "lua", "stale lua": its rules, or others, as Lua
	routes  string // of the one virtual host; "": by x-tag to v2, or else to v1
}

const (
	byTag   = `{name: first, match: {path: /health}, route: {cluster: v1}}, {name: canary, match: {prefix: /, headers: [{name: x-tag, string_match: {exact: s2}}]}, route: {cluster: v2}}, {name: baseline, match: {prefix: /}, route: {cluster: v1}}`
	tagproc = `{name: tagproc, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor, grpc_service: {envoy_grpc: {cluster_name: tagproc}%s}%s}}`
)

// stop returns the hop at an Envoy.
func (e envoy) stop(t *testing.T, name, host string) Stop {
	t.Helper()
	filters, routes := fmt.Sprintf(tagproc, e.service, e.filter), e.routes
	switch e.filter {
	case "none":
		filters = ""
	case "lua", "stale lua":
		digest := table(t, map[string]string{"stale lua": ", mode: shadow"}[e.filter]).Digest()
		filters = fmt.Sprintf(`{name: tagproc, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, default_source_code: {inline_string: %q}}}`, contract.Program+digest+"\n")
	}
	if routes == "" {
		routes = byTag
	}
	src := `{name: l, filter_chains: [{filters: [{name: hcm, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, ` +
		e.manager + `http_filters: [` + filters + `], route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [` + routes + `]}]}}}]}]}` + "\n"
	docs, problems := source.Documents(name+".yaml", []byte(src), source.MaxFileSize)
	config, more := envoyconf.Read(docs)
	if err := append(problems, more...).Err(); err != nil || len(config.Listeners) != 1 {
		t.Fatalf("%v of\n%s", err, src)
	}
	return Stop{Name: name, Host: host, Config: config, Listener: config.Listeners[0]}
}

// table has rule a with more keys: a user below 20 of 100 gets s2.
func table(t *testing.T, more string) *rules.Table {
	t.Helper()
	src := "rules: [{name: a, header: x-user-id, tagHeader: x-tag, policies: [{range: 20, tagValue: s2}]" + more + "}]\n"
	made, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return made
}

// jack is in bucket 2, and bob in 44.
func by(user, path string) envoyconf.Request {
	return envoyconf.Request{Method: "GET", Authority: "shop.example.com", Path: path, Headers: []envoyconf.Header{{Name: "x-user-id", Value: user}}}
}

// clusters returns where the last hop sends a request.
func clusters(w *Way) (names []string) {
	for _, c := range w.Hops[len(w.Hops)-1].Clusters {
		names = append(names, c.Name)
	}
	return names
}

func texts(t *testing.T, w *Way) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteText(terminal.New(&out), w); err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(w); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestOneEnvoy checks where one Envoy sends a request, and what is said of tagproc.
func TestOneEnvoy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		envoy
		rules   string // more keys of the rule; "none": no rules are given
		request envoyconf.Request
		want    string   // the cluster; "": none
		says    []string // lines of the text; those that begin with ! are not there
	}{
		"tagged":      {envoy{}, "", by("jack", "/"), "v2", []string{"tagproc  rule a: policy 1 takes buckets 0 to 19 → x-tag: s2", "not      route first, l.yaml:1:", "route    canary"}},
		"not tagged":  {envoy{}, "", by("bob", "/"), "v1", []string{"tagproc  rule a: no policy takes bucket 44 → no x-tag", "not      route canary", "route    baseline"}},
		"named":       {envoy{}, ", overrides: [{values: [bob], tagValue: s2}]", by("bob", "/"), "v2", []string{"tagproc  rule a: override 1 names this user → x-tag: s2"}},
		"nobody":      {envoy{}, "", envoyconf.Request{Path: "/"}, "v1", []string{"tagproc  rule a: the rule does not apply"}},
		"shadow":      {envoy{}, ", mode: shadow", by("jack", "/"), "v1", []string{"tagproc  rule a (shadow: decided and counted, but not written): policy 1 takes buckets 0 to 19 → x-tag: s2", "route    baseline"}},
		"off":         {envoy{}, ", mode: \"off\"", by("jack", "/"), "v1", []string{"tagproc  rule a: the rule is off"}},
		"before it":   {envoy{}, "", by("jack", "/health"), "v1", []string{"tagproc  rule a: policy 1", "route    first", "!not      route"}},
		"no rules":    {envoy{}, "none", by("jack", "/"), "v1", []string{"unknown  filters whose effect is not modelled: tagproc asks tagproc: give its rules with --rules", "!tagproc  "}},
		"Lua":         {envoy{filter: "lua"}, "", by("jack", "/"), "v2", []string{"tagproc  rule a: policy 1 takes buckets 0 to 19 → x-tag: s2", "route    canary"}},
		"stale Lua":   {envoy{filter: "stale lua"}, "", by("jack", "/"), "v1", []string{"open     what the filter tagproc decides: its Lua is of the rules with the digest "}},
		"Lua alone":   {envoy{filter: "lua"}, "none", by("jack", "/"), "v1", []string{"open     what the filter tagproc decides by its rules in Lua: give them with --rules"}},
		"no filter":   {envoy{filter: "none"}, "", by("jack", "/"), "v1", []string{"!tagproc  "}},
		"refused":     {envoy{manager: "common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}, "}, "", with(by("jack", "/"), "x_a", "1"), "", []string{"answer   400: ", "!tagproc  "}},
		"not found":   {envoy{routes: `{match: {path: /cart}, route: {cluster: v1}}`}, "", by("jack", "/"), "", []string{"tagproc  rule a: policy 1", "answer   404: no route of the virtual host takes the request"}},
		"forged":      {envoy{}, "", with(by("bob", "/"), "x-tag", "s2"), "v1", []string{"tagproc  x-tag of the client is removed or replaced"}},
		"not sent":    {envoy{filter: ", forward_rules: {allowed_headers: {patterns: [{exact: x-user}]}}"}, "", by("jack", "/"), "v1", []string{"tagproc  is not sent x-user-id (forward_rules, l.yaml:1:"}},
		"not allowed": {envoy{filter: ", mutation_rules: {disallow_all: true}"}, "", by("jack", "/"), "v1", []string{"tagproc  may not change x-tag (mutation_rules, l.yaml:1:"}},
		"route stays": {envoy{filter: ", disable_clear_route_cache: true"}, "", by("jack", "/"), "v1", []string{"tagproc  the route stays as it was chosen before"}},
		"watching":    {envoy{filter: ", observability_mode: true"}, "", by("jack", "/"), "v1", []string{"open     the filter tagproc does not act on tagproc's answer", "!tagproc  "}},
		"a sidecar":   {envoy{service: ", initial_metadata: [{key: tagproc-direction, value: inbound}]"}, "", by("jack", "/"), "v1", []string{"open     what the filter tagproc does: its direction is inbound"}},
	} {
		var rules *rules.Table
		if tt.rules != "none" {
			rules = table(t, tt.rules)
		}
		w := Run([]Stop{tt.stop(t, "l", "")}, rules, tt.request)
		text := texts(t, w)
		var want []string
		if tt.want != "" {
			want = []string{tt.want}
		}
		if got := clusters(w); !slices.Equal(got, want) {
			t.Errorf("%s: the clusters are %q, want %q:\n%s", name, got, want, text)
		}
		for _, line := range tt.says {
			absent := strings.HasPrefix(line, "!")
			if strings.Contains(text, "\n  "+strings.TrimPrefix(line, "!")) == absent {
				t.Errorf("%s: there is a line %q: %v, in\n%s", name, strings.TrimPrefix(line, "!"), absent, text)
			}
		}
	}
}

func with(r envoyconf.Request, name, value string) envoyconf.Request {
	r.Headers = append(r.Headers, envoyconf.Header{Name: name, Value: value})
	return r
}

// TestSeveralEnvoys checks that what one Envoy writes is what the next one sees, asked for
// its own host, and that an answer of one ends nothing.
func TestSeveralEnvoys(t *testing.T) {
	t.Parallel()
	front := envoy{routes: `{match: {prefix: /}, route: {cluster: cart}}`}
	redirect := envoy{routes: `{match: {prefix: /}, redirect: {path_redirect: /gone}}`}
	quiet := envoy{filter: "none"}
	for name, tt := range map[string]struct {
		stops []Stop
		want  string
		hosts []string
	}{
		"the tag travels":     {[]Stop{front.stop(t, "front", ""), quiet.stop(t, "cart", "cart.local")}, "v2", []string{"shop.example.com", "cart.local"}},
		"nobody writes a tag": {[]Stop{quiet.stop(t, "front", ""), quiet.stop(t, "cart", "cart.local")}, "v1", []string{"shop.example.com", "cart.local"}},
		"the last one asks":   {[]Stop{quiet.stop(t, "front", ""), envoy{}.stop(t, "cart", "")}, "v2", []string{"shop.example.com", "shop.example.com"}},
		"one answers":         {[]Stop{redirect.stop(t, "front", ""), envoy{}.stop(t, "cart", "")}, "v2", []string{"shop.example.com", "shop.example.com"}},
	} {
		w := Run(tt.stops, table(t, ""), by("jack", "/"))
		var hosts []string
		for _, h := range w.Hops {
			hosts = append(hosts, h.Request.Authority)
		}
		if got := clusters(w); !slices.Equal(got, []string{tt.want}) || !slices.Equal(hosts, tt.hosts) || !w.Certain() {
			t.Errorf("%s: the clusters are %q of %q, want %q of %q:\n%s", name, got, hosts, tt.want, tt.hosts, texts(t, w))
		}
	}
}
