package envoyconf

import (
	"strings"
	"testing"

	"github.com/tagproc/tagproc/source"
)

func read(t *testing.T, text string) (*Config, source.Problems) {
	t.Helper()
	docs, problems := source.Documents("envoy.yaml", []byte(text), source.MaxFileSize)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return Read(docs)
}

// manager is a connection manager with one route; ROUTES says where its routes are.
const manager = `{"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: x, ROUTES}`

const one = `name: r, virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: one}}]}]`

func listenerOf(routes string) string {
	return `{name: in, filter_chains: [{filters: [{name: hcm, typed_config: ` + strings.Replace(manager, "ROUTES", routes, 1) + `}]}]}`
}

// TestRead checks that a route is found in each form in which configurations come.
func TestRead(t *testing.T) {
	t.Parallel()
	inline, rds := listenerOf(`route_config: {`+one+`}`), listenerOf(`rds: {route_config_name: r, config_source: {ads: {}}}`)
	camelRDS := strings.NewReplacer("filter_chains", "filterChains", "typed_config", "typedConfig", "route_config_name", "routeConfigName").Replace(rds)
	for _, tt := range []struct{ name, text string }{
		{"bootstrap", `static_resources: {listeners: [` + inline + `], clusters: [{name: one}]}`},
		{"listener", inline},
		{"documents", rds + "\n---\n{" + one + "}"},
		{"list", "[" + rds + ", {" + one + "}]"},
		{"discovery", `resources: [` + strings.Replace(rds, "{name", `{"@type": type.googleapis.com/envoy.config.listener.v3.Listener, name`, 1) +
			`, {"@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration, ` + one + `}]`},
		{"dump", `configs: [{"@type": type.googleapis.com/envoy.admin.v3.ListenersConfigDump, dynamic_listeners: [{name: in, active_state: {listener: ` + rds + `}}]},
			{"@type": type.googleapis.com/envoy.admin.v3.RoutesConfigDump, dynamic_route_configs: [{route_config: {` + one + `}}]}]`},
		{"dump of istioctl", `configs: [{"@type": type.googleapis.com/envoy.admin.v3.ListenersConfigDump, dynamicListeners: [{name: in, activeState: {listener: ` + camelRDS + `}}]},
			{"@type": type.googleapis.com/envoy.admin.v3.RoutesConfigDump, dynamicRouteConfigs: [{routeConfig: {` + strings.Replace(one, "virtual_hosts", "virtualHosts", 1) + `}}]}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, problems := read(t, tt.text)
			if len(problems) > 0 || len(c.Listeners) != 1 {
				t.Fatalf("%d listeners, %v; want 1 and no problem", len(c.Listeners), problems)
			}
			r := c.Listeners[0].Trace(&Request{Authority: "x", Path: "/"})
			if r.Route == nil || !r.Certain() {
				t.Fatalf("no route is taken for sure: %+v", r)
			}
			target := r.Route.Target(r.Request)
			if len(target.Clusters) != 1 || target.Clusters[0].Cluster != "one" || target.Clusters[0].At.Text() != "one" {
				t.Errorf("target = %+v, want the cluster one, and its place", target)
			}
		})
	}
}

// TestReadDoubts checks that what is not known is kept, told with its place, and an answer
// of its own.
func TestReadDoubts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, routes, problem, doubt string }{
		{
			"unknown field of a match", `route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /, phase_of_moon: full}, route: {cluster: one}}]}]}`,
			`envoy.yaml:1:282: warning: there is no field "phase_of_moon" here; expected one of `, `there is no field "phase_of_moon" here`,
		},
		{"routes elsewhere", `rds: {route_config_name: r}`, `envoy.yaml:1:199: warning: the route configuration "r" is not among the files [no-routes]`, "come from a control plane"},
		{"scoped routes", `scoped_routes: {name: r}`, "", "scoped"},
		{"a matcher", `route_config: {virtual_hosts: [{name: all, domains: ["*"], matcher: {}}]}`, "", "by a matcher"},
		{
			"metadata", `route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /, dynamic_metadata: [{filter: x, path: [{key: k}], value: {present_match: true}}]}, route: {cluster: one}}]}]}`,
			"", "dynamic metadata",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, problems := read(t, listenerOf(tt.routes))
			var told []string
			for _, p := range problems {
				told = append(told, p.String())
			}
			if got := strings.Join(told, "\n"); !strings.HasPrefix(got, tt.problem) || (got == "") != (tt.problem == "") {
				t.Errorf("problems = %s, want %s", got, tt.problem)
			}
			r := c.Listeners[0].Trace(&Request{Authority: "x", Path: "/"})
			said := strings.Join(r.Doubts, "\n")
			for _, tried := range r.Tried {
				if tried.Answer == Maybe {
					said += tried.Why
				}
			}
			if r.Certain() || !strings.Contains(said, tt.doubt) {
				t.Errorf("certain: %t, doubts: %s; want %q", r.Certain(), said, tt.doubt)
			}
		})
	}
}

// TestReadForeign checks that what is no configuration is refused, with what is expected.
func TestReadForeign(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"rules: []", "[1]", "x", "kind: Service\napiVersion: v1\nmetadata: {name: x}"} {
		_, problems := read(t, text)
		if len(problems) != 1 || problems[0].Kind != KindNotEnvoy || problems[0].Severity != source.Error {
			t.Errorf("Read(%q): %v, want one error that it is no configuration", text, problems)
		}
	}
}

// FuzzRead checks that no text breaks reading and tracing.
func FuzzRead(f *testing.F) {
	f.Add("static_resources: {listeners: [" + listenerOf("route_config: {"+one+"}") + "]}")
	f.Add("configs: [{}]")
	f.Add("static_resources: {listeners: [{}]}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, problems := source.Documents("f", []byte(text), 1<<16)
		if len(problems) > 0 {
			return
		}
		c, _ := Read(docs)
		for _, l := range c.Listeners {
			r := l.Trace(&Request{Authority: "a:1", Path: "/x?y=1", Headers: []Header{{"x-tag", "s"}}})
			for _, route := range r.Candidates() {
				if route != nil {
					route.Target(r.Request)
				}
			}
			r.Override("x")
			r.Again(func(r *Request) { r.Set("x-tag", "t") })
		}
	})
}
