package lint_test

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/internal/mesh"
	"github.com/tagproc/tagproc/istio/lint"
	"github.com/tagproc/tagproc/rules"
)

// TestEnvoy checks what is found in the configuration of an Envoy of its own: nothing in
// good ones, and each fault at its line.
func TestEnvoy(t *testing.T) {
	t.Parallel()
	const all = "- exact: x-user-id"
	shipped := deployment(t, "envoy/rules.yaml")[0].Source
	for _, tt := range []struct{ name, old, with, want string }{
		{"good", "", "", ""},
		{"a key that is not forwarded", all, "- exact: x-user", "envoy.yaml:71:17: error: tagproc is not sent x-user-id, the key of a rule (rules.yaml:17:11): it tags nobody; add it to allowed_headers, or render the configuration of Envoy again: tagproc render envoy [forward-rules]"},
		{"a tag that may not be written", "x[^a-z0-9]asm[^a-z0-9]prefer[^a-z0-9]tag|appver.*|", "appver.*|", "envoy.yaml:79:17: error: tagproc may not change x-asm-prefer-tag (rules.yaml:8:13): Envoy drops the tag without an error, and a forged one stays; add it to allow_expression"},
		{"no early stripping", "- remove_on_match: {key_matcher: {prefix: appver}}", "- remove: appver", "error: a client can send appver* (rules.yaml:9:20) itself"},
		{"a cluster of tagproc that is not there", "\n  - name: tagproc\n", "\n  - name: tagprok\n", `error: there is no cluster "tagproc" (did you mean "tagprok"?): tagproc is never asked, and every request goes on untagged; add it to static_resources.clusters [unknown-cluster]`},
		{"gRPC over HTTP/1.1", "explicit_http_config: {http2_protocol_options: {}}", "explicit_http_config: {http_protocol_options: {}}", "[cluster-http2]"},
		{"an answer without effect", "failure_mode_allow: true", "failure_mode_allow: true\n              route_cache_action: RETAIN", "[reply-ignored]"},
		{"a field that Envoy does not have", "failure_mode_allow: true", "failure_mode_allow: true\n              failure_mode_alow: true", `error: there is no field "failure_mode_alow" here (did you mean "failure_mode_allow"?); correct it: Envoy refuses the configuration [unknown-field]`},
		{"a tag without a route", "string_match: {exact: s2}}]\n                route: {cluster: mocka-baseline}", "string_match: {exact: s1}}]\n                route: {cluster: mocka-baseline}", ""}, // mockc has one
		{"a tag without any route", "s2", "s1", `rules.yaml:21:15: error: no route of Envoy matches x-asm-prefer-tag: s2`},
		{"a misspelt tag", "name: appver-a, string_match: {exact: v2}", "name: appver-a, string_match: {exact: V2}", `error: no rule writes appver-a: V2, so this route is never taken (did you mean "v2"?); write it as the rules do: case matters [misspelt-tag]`},
		{"a tag that nobody writes", "name: appver-a, string_match: {exact: v2}", "name: appver-a, string_match: {exact: canary}", "warning: no rule writes appver-a: canary, so this route is never taken; remove the route, or add the tag to a rule [unwritten-tag]"},
		{"a route that is never reached", "- name: jason\n                match:\n                  prefix: /\n                  headers: [{name: x-user-id, string_match: {exact: jason}}]", "- name: jason\n                match: {prefix: /}", "error: this route is never reached: the one at envoy.yaml:99:17 takes all of its requests; put routes by tags before it [unreachable-route]"},
		{"no default", "                match: {prefix: /}\n                route: {cluster: app-a-baseline}", "                match: {prefix: /none}\n                route: {cluster: app-a-baseline}", "error: virtual host app-a has no route for requests without the tag: they get 404; end its routes with one without headers, to the baseline [no-default-route]"},
		{"a random version", "route: {cluster: app-a-baseline}", "route: {weighted_clusters: {clusters: [{name: app-a-baseline, weight: 9}, {name: app-a-canary, weight: 1}]}}", "warning: weights choose again for each request"},
		{"a misspelt header", "name: appver-a, string_match: {exact: v2}", "name: x-asm-prefer-tg, string_match: {exact: s2}", `error: no rule writes the header x-asm-prefer-tg, so this route is never taken (did you mean "x-asm-prefer-tag"?)`},
		{"a filter after the router", "- name: tagproc\n            typed_config:", "- name: router\n            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}\n          - name: tagproc\n            typed_config:", "error: the filter tagproc comes after the router, which has to be the last: Envoy refuses the configuration; put it before the router [filter-order]"},
		{"a route to no cluster", "route: {cluster: app-a-canary}", "route: {cluster: app-a-canry}", `error: there is no cluster "app-a-canry" (did you mean "app-a-canary"?): requests get 503, or Envoy refuses the configuration`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := strings.Replace(mesh.Config, tt.old, tt.with, 1)
			if tt.name == "a tag without any route" {
				config = strings.ReplaceAll(mesh.Config, "string_match: {exact: s2}", "string_match: {exact: s1}")
			}
			if tt.old != "" && config == mesh.Config {
				t.Fatal("the edit changes nothing")
			}
			r := lint.Files([]lint.File{{Name: "rules.yaml", Source: shipped}, {Name: "envoy.yaml", Source: []byte(config)}}, rules.Options{})
			var found []string
			for _, f := range r.Findings {
				found = append(found, f.String())
			}
			text := strings.Join(found, "\n")
			if tt.want == "" && text != "" || !strings.Contains(text, tt.want) {
				t.Errorf("found\n%s\nwant %q", text, tt.want)
			}
			if len(r.NotChecked) > 0 {
				t.Errorf("not checked: %v, want every check", r.NotChecked)
			}
		})
	}
}

// TestEnvoyShipped checks that nothing is found in the configurations that deploy/ has.
func TestEnvoyShipped(t *testing.T) {
	t.Parallel()
	for _, files := range [][2]string{{"envoy/rules.yaml", "envoy/envoy.yaml"}, {"envoy/rules.yaml", "envoy/envoy-unix.yaml"}, {"envoy/visitors-rules.yaml", "envoy/visitors.yaml"}} {
		r := lint.Files(append(deployment(t, files[0]), deployment(t, files[1])...), rules.Options{})
		for _, f := range r.Findings {
			t.Errorf("%s: %v", files[1], f)
		}
	}
}

// TestEnvoyBeside adds a listener that routes by tags to one that asks tagproc.
func TestEnvoyBeside(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		removes bool
		want    []string
	}{
		{"neither asks nor removes", false, []string{"unasked-gateway appver-a", "unasked-gateway x-asm-prefer-tag"}},
		{"removes", true, nil},
	} {
		var config map[string]any
		if err := yaml.Load(deployment(t, "envoy/envoy.yaml")[0].Source, &config); err != nil {
			t.Fatal(err)
		}
		resources := config["static_resources"].(map[string]any)
		listeners := resources["listeners"].([]any)
		text, err := yaml.Dump(listeners[0])
		if err != nil {
			t.Fatal(err)
		}
		var beside map[string]any
		if err := yaml.Load(text, &beside); err != nil {
			t.Fatal(err)
		}
		beside["name"] = "beside"
		beside["address"] = map[string]any{"socket_address": map[string]any{"address": "0.0.0.0", "port_value": 10001}}
		manager := beside["filter_chains"].([]any)[0].(map[string]any)["filters"].([]any)[0].(map[string]any)["typed_config"].(map[string]any)
		filters := manager["http_filters"].([]any)
		manager["http_filters"] = filters[len(filters)-1:]
		if !tt.removes {
			delete(manager, "early_header_mutation_extensions")
		}
		resources["listeners"] = append(listeners, beside)
		if text, err = yaml.Dump(config); err != nil {
			t.Fatal(err)
		}
		r := lint.Files([]lint.File{deployment(t, "envoy/rules.yaml")[0], {Name: "envoy.yaml", Source: text}}, rules.Options{})
		var got []string
		for _, f := range r.Findings {
			got = append(got, string(f.Kind)+" "+strings.Fields(f.Message)[4])
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("a listener beside that %s: found %v, want %v\n%v", tt.name, got, tt.want, r.Findings)
		}
	}
}
