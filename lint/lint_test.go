package lint

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// TestFindings checks what is found in a gateway and a sidecar behind it: nothing in good
// ones, and each fault where it is.
func TestFindings(t *testing.T) {
	t.Parallel()
	const (
		tagRoute  = "              - match: {prefix: /, headers: [{name: x-lane, string_match: {exact: s2}}]}\n"
		canary    = "                route: {cluster: outbound|80|s2|a.shop.svc.cluster.local}\n                metadata: {filter_metadata: {istio: {config: a}}}\n"
		router    = "          - name: router\n            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}\n"
		tagproc   = "          - name: tagproc\n"
		named     = "request_headers_to_add: [{header: {key: x-lane, value: s2}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]"
		mutations = "            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation, mutations: {request_mutations: "
		www       = "            - {name: www, domains: [www.example.com], routes: [{match: {prefix: /}, route: {cluster: outbound|80|s1|a.shop.svc.cluster.local}, metadata: {filter_metadata: {istio: {config: w}}}}]}\n"
	)
	for _, tt := range []struct{ name, file, old, with, want string }{
		{"good", "", "", "", ""},
		{"a filter after the router", "gateway", tagproc, router + tagproc, "gateway:41:13: error: the filter tagproc comes after the router, which has to be the last: Envoy refuses the configuration; put it before the router [filter-order]"},
		{
			"a filter that looks at the tag too early", "gateway", tagproc, "          - name: early\n            typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config, request_rules: [{header: x-lane, remove: false}]}\n" + tagproc,
			"gateway:40:142: error: the filter early looks at x-lane, and the filter that asks tagproc comes after it (gateway:41:13): it never sees the tag; put it behind the filter that asks tagproc [filter-order]",
		},
		{"a filter that removes what clients send", "gateway", tagproc, "          - name: early\n" + mutations + "[{remove: x-lane}]}}\n" + tagproc, ""},
		{
			"a filter that removes the tag", "gateway", router, "          - name: late\n" + mutations + "[{remove: X-Lane}]}}\n" + router,
			"error: the filter late removes x-lane after tagproc has written it: no route sees a tag; leave it out, or put it before the filter that asks tagproc [filter-order]",
		},
		{
			"a filter that overwrites the tag", "gateway", router, "          - name: late\n" + mutations + "[{append: {header: {key: x-lane, value: s1}}}]}}\n" + router,
			"error: the filter late writes x-lane after tagproc: routes see its value, or both",
		},
		{
			"a key that is made too late", "gateway", router, "          - name: late\n" + mutations + "[{append: {header: {key: x-user-id, value: '%REQ(x-login)%'}}}]}}\n" + router,
			"error: the filter late makes the key x-user-id, after tagproc is asked (gateway:39:13): tagproc sees what the client sent, or nothing; put the filter that asks tagproc behind it [late-key]",
		},
		{"a header of no route", "rules", "tagHeader: x-lane", "tagHeader: x-lone", `error: no route matches the header x-lone, so "s2" changes nothing; give the VirtualService a route with headers: {x-lone: {exact: s2}} [unrouted-tag]`},
		{"a misspelt header", "sidecar", "name: x-lane", "name: x-lain", `error: no rule writes the header x-lain, so this route is never taken (did you mean "x-lane"?)`},
		{"a baseline first", "sidecar", tagRoute + canary, "              - {match: {prefix: /, headers: [{name: x-lane, string_match: {exact: s2}, invert_match: true, treat_missing_header_as_empty: true}]}, route: {cluster: outbound|80|s1|a.shop.svc.cluster.local}}\n              - match: {prefix: /c}\n" + canary, ""},
		{"half of the routes", "sidecar", tagRoute + canary, "", "sends x-lane: s2 to subset s2 of a.shop.svc.cluster.local; this route to the same host does not, and a request that comes this way never gets there; match the tag here too, before this route [half-routed-tag]"},
		{"a narrower host", "gateway", "            - name: shop\n", www + "            - name: shop\n", "error: www.example.com is narrower than *.example.com, whose route at gateway:28:17 sends x-lane: s2 to subset s2 of a.shop.svc.cluster.local: for these hosts the tag chooses nothing"},
		{"another host", "gateway", "            - name: shop\n", strings.Replace(www, "www.example.com", "www.example.org", 1) + "            - name: shop\n", ""},
		{"no subset", "sidecar", "cluster: outbound|80|s1|", "cluster: outbound|80||", "error: the route names no subset of a.shop.svc.cluster.local, which has s2: each request gets any version"},
		{"a default that nobody wrote", "sidecar", "                route: {cluster: outbound|80|s1|a.shop.svc.cluster.local}\n                metadata: {filter_metadata: {istio: {config: a}}}\n", "                route: {cluster: outbound|80||a.shop.svc.cluster.local}\n", "not [no-subset]"},
		{"an appended tag", "gateway", ", append_action: OVERWRITE_IF_EXISTS_OR_ADD", "", "error: the route appends to the tag that tagproc wrote: later hops see two values of x-lane, which no exact match takes; use set [appended-tag]"},
		{"a removed tag", "gateway", "              routes:\n", "              request_headers_to_remove: [X-Lane]\n              routes:\n", "error: the route removes x-lane, and later routes match it; do not remove it here [removed-tag]"},
		{"a tag of a route without a route", "gateway", "value: s2}", "value: s3}", `error: no route of Envoy matches x-lane: s3, so these users get the default route (there is a route for "s2")`},
		{"a user of two tags", "gateway", named, strings.Replace(named, "s2", "s1", 1), "warning: the rules name x-user-id: jason too (rules:3:15) and say x-lane: s2; this route sets s1, and decides"},
		{"a prefix before the tag", "sidecar", tagRoute, "              - {match: {prefix: /, headers: [{name: x-lane, string_match: {prefix: s}}]}, route: {cluster: outbound|80|s1|a.shop.svc.cluster.local}}\n" + tagRoute, "error: this route is never reached: the one at sidecar:16:17 takes all of its requests"},
		{"a user behind the tag", "sidecar", tagRoute + canary, tagRoute + canary + "              - match: {prefix: /, headers: [{name: x-user-id, string_match: {exact: jason}}]}\n" + canary, "warning: the route for x-user-id: jason comes after the one for x-lane: s2, which takes this user where a rule gives that tag; put named users before tags [late-named-users]"},
		{"a user behind the tag of another path", "sidecar", tagRoute + canary, strings.Replace(tagRoute, "/", "/b", 1) + canary + "              - match: {prefix: /c, headers: [{name: x-user-id, string_match: {exact: jason}}]}\n" + canary, ""},
		{"a cluster that is not there", "sidecar", "route: {cluster: outbound|80|s2|", "route: {cluster: outbound|80|s3|", `error: there is no cluster "outbound|80|s3|a.shop.svc.cluster.local"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var found []string
			for _, f := range modelOf(t, tt.file, tt.old, tt.with).Findings() {
				found = append(found, f.String())
			}
			text := strings.Join(found, "\n")
			kind, absent := strings.CutPrefix(tt.want, "not ")
			if tt.want == "" && text != "" || strings.Contains(text, kind) == absent {
				t.Errorf("found\n%s\nwant %q", text, tt.want)
			}
		})
	}
}

// TestOrigin checks that findings, and what they name besides, have the places that Origin
// gives.
func TestOrigin(t *testing.T) {
	t.Parallel()
	m := modelOf(t, "sidecar", "string_match: {exact: s2}", "string_match: {exact: canary}")
	m.Origin = func(v source.Value) source.Value {
		if v.Place().File() == "sidecar" {
			return m.Rules[0].At.Get("rules")
		}
		return v
	}
	found := m.Findings()
	if !slices.ContainsFunc(found, func(f Finding) bool { return f.Kind == "unwritten-tag" }) {
		t.Errorf("found %v, want unwritten-tag", found)
	}
	for _, f := range found {
		if f.File == "sidecar" || strings.Contains(f.Message, "sidecar:") {
			t.Errorf("found %v, want no place of the sidecar", f)
		}
	}
}

// TestKeptOut checks that a tag is routed where the baseline's route refuses it and the
// canary's takes the rest.
func TestKeptOut(t *testing.T) {
	t.Parallel()
	m := modelOf(t, "sidecar", "headers: [{name: x-lane, string_match: {exact: s2}}]", "headers: [{name: x-lane, string_match: {exact: s2}, invert_match: true, treat_missing_header_as_empty: true}]")
	m.Sides, m.Envoys = nil, m.Envoys[1:]
	for _, f := range m.Findings() {
		t.Errorf("found %v, want nothing", f)
	}
}

// modelOf returns rules, a gateway and a sidecar, one of them edited.
func modelOf(t *testing.T, file, old, with string) *Model {
	t.Helper()
	read := func(name, text string) []*source.Document {
		if name == file {
			edited := strings.Replace(text, old, with, 1)
			if edited == text {
				t.Fatalf("the edit changes nothing of %s", name)
			}
			text = edited
		}
		docs, problems := source.Documents(name, []byte(text), source.MaxFileSize)
		if problems.Err() != nil {
			t.Fatal(problems)
		}
		return docs
	}
	docs := read("rules", "rules:\n- header: x-user-id\n  overrides: [{values: [jason], tagValue: s2}]\n  policies: [{range: 20, tagValue: s2}]\n  tagHeader: x-lane\n")
	table, problems := rules.Compile(rules.Parse("rules", docs), rules.Options{})
	if table == nil {
		t.Fatal(problems)
	}
	m := &Model{Manifests: true, Complete: true, Rules: []*Rules{{At: docs[0].Value, Table: table}}}
	for _, name := range []string{"gateway", "sidecar"} {
		text, err := os.ReadFile("testdata/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		config, problems := envoyconf.Read(read(name, string(text)))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		m.AddEnvoy(name, config, false)
	}
	m.Settle()
	return m
}
