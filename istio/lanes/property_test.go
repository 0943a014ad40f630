package lanes

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/source"
)

// A model is a lane group as its author thinks of it. It is written in both
// forms, and knows by itself where each request belongs.
type model struct {
	strict   bool
	services []string
	lanes    []string            // the first one is the baseline
	has      map[string][]string // the services of each lane, in the order of the group
	fallback map[string]string   // by service
	users    map[string]string   // named users, and their lanes
	entries  []modelEntry
}

type modelEntry struct{ host, prefix, service string }

func drawModel(t *rapid.T) *model {
	m := &model{has: map[string][]string{}, fallback: map[string]string{}, users: map[string]string{}}
	m.strict = rapid.Bool().Draw(t, "strict")
	m.services = []string{"a", "b", "c", "d"}[:rapid.IntRange(1, 4).Draw(t, "services")]
	m.lanes = []string{"s1", "s2", "s3"}[:rapid.IntRange(1, 3).Draw(t, "lanes")]
	for i, l := range m.lanes {
		for _, s := range m.services {
			if m.strict || i == 0 || rapid.Bool().Draw(t, l+" has "+s) {
				m.has[l] = append(m.has[l], s)
			}
		}
	}
	for _, s := range m.services {
		var others []string
		for _, l := range m.lanes {
			if slices.Contains(m.has[l], s) {
				others = append(others, l)
			}
		}
		if m.strict || !rapid.Bool().Draw(t, s+" falls back elsewhere") {
			continue
		}
		m.fallback[s] = rapid.SampledFrom(others).Draw(t, "fallback of "+s)
		if m.fallback[s] != m.lanes[0] && rapid.Bool().Draw(t, "the baseline has no "+s) {
			m.has["s1"] = slices.DeleteFunc(m.has["s1"], func(other string) bool { return other == s })
		}
	}
	for _, u := range []string{"jason", "0005", "s1"} {
		if rapid.Bool().Draw(t, "named "+u) {
			m.users[u] = rapid.SampledFrom(m.lanes).Draw(t, "lane of "+u)
		}
	}
	for _, h := range []string{"*", "*.example.com", "a.example.com"} {
		for _, prefix := range []string{"", "/a", "/a/b"} {
			if rapid.IntRange(0, 2).Draw(t, "entry "+h+prefix) == 0 {
				m.entries = append(m.entries, modelEntry{h, prefix, rapid.SampledFrom(m.services).Draw(t, "service")})
			}
		}
	}
	m.entries = rapid.Permutation(m.entries).Draw(t, "entries")
	return m
}

// lane returns the lane that answers a call of a service with a tag, made by a pod
// of a lane, or of none.
func (m *model) lane(service, tag, from string) string {
	if m.strict && slices.Contains(m.lanes, from) {
		return from
	}
	fallback, own := m.fallback[service]
	switch {
	case slices.Contains(m.has[tag], service):
		return tag
	case own && (slices.Contains(m.lanes, tag) || !slices.Contains(m.has[m.lanes[0]], service)):
		return fallback
	}
	return m.lanes[0]
}

// ingress returns what becomes of a request at the gateway: the service, its lane
// and the tag that it then has. It is "" for a request that no entry takes.
func (m *model) ingress(host, path, user, tag string) (service, lane, after string) {
	var best modelEntry
	for _, e := range m.entries {
		if stands(e.host, host) && strings.HasPrefix(path, e.prefix) &&
			(best.service == "" || narrower(e.host, best.host) || e.host == best.host && len(e.prefix) > len(best.prefix)) {
			best = e
		}
	}
	if best.service == "" {
		return "", "", tag
	}
	if named, is := m.users[user]; is {
		tag = named
	}
	return best.service, m.lane(best.service, tag, ""), tag
}

func stands(pattern, host string) bool {
	return pattern == "*" || pattern == host || strings.HasPrefix(pattern, "*.") && strings.HasSuffix(host, pattern[1:])
}

// narrower reports whether host a is preferred to b where both stand for a host.
func narrower(a, b string) bool {
	return strings.HasPrefix(b, "*") && (a[0] != '*' || len(a) > len(b))
}

// short writes the model as a lanes file.
func (m *model) short() string {
	var b strings.Builder
	mode := "loose"
	if m.strict {
		mode = "strict"
	}
	fmt.Fprintf(&b, "laneGroup: g\nmode: %s\ngateway: istio-system/gw\nrouteHeader: x-lane\ntraceHeader: x-lane\nservices: [%s]\n", mode, strings.Join(m.services, ", "))
	if len(m.fallback) > 0 {
		b.WriteString("fallback:\n")
		for _, s := range slices.Sorted(maps.Keys(m.fallback)) {
			fmt.Fprintf(&b, "  %s: %s\n", s, m.fallback[s])
		}
	}
	b.WriteString("lanes:\n")
	for _, l := range m.lanes {
		fmt.Fprintf(&b, "- {name: %s, labels: {lane: %s}, services: [%s]}\n", l, l, strings.Join(m.has[l], ", "))
	}
	if len(m.users) > 0 && len(m.entries) > 0 {
		b.WriteString("named:\n")
		for _, u := range slices.Sorted(maps.Keys(m.users)) {
			fmt.Fprintf(&b, "- {header: X-User-ID, values: [%q], lane: %s}\n", u, m.users[u])
		}
	}
	if len(m.entries) > 0 {
		b.WriteString("ingress:\n")
		for _, e := range m.entries {
			fmt.Fprintf(&b, "- {service: %s, hosts: [%q]", e.service, e.host)
			if e.prefix != "" {
				fmt.Fprintf(&b, ", match: {uri: {prefix: %s}}", e.prefix)
			}
			b.WriteString("}\n")
		}
	}
	return b.String()
}

// manifests writes the model as ASM has it.
func (m *model) manifests() string {
	var b strings.Builder
	refs := func(services []string) string {
		var refs []string
		for _, s := range services {
			refs = append(refs, fmt.Sprintf("{name: %s, namespace: default}", s))
		}
		return "[" + strings.Join(refs, ", ") + "]"
	}
	head := "apiVersion: istio.alibabacloud.com/v1\nkind: "
	fmt.Fprintf(&b, head+"ASMSwimLaneGroup\nmetadata: {name: g}\nspec:\n  services: %s\n  isPermissive: %v\n", refs(m.services), !m.strict)
	b.WriteString("  ingress: {gateway: {name: gw, namespace: istio-system, type: ASM}}\n  permissiveModeConfiguration:\n    routeHeader: X-Lane\n    traceHeader: x-lane\n    fallbackTarget: s1\n")
	if len(m.fallback) > 0 {
		b.WriteString("    serviceLevelFallbackTarget:\n")
		for s, l := range m.fallback {
			fmt.Fprintf(&b, "      default/%s: %s\n", s, l)
		}
	}
	for _, l := range m.lanes {
		fmt.Fprintf(&b, "---\n"+head+"ASMSwimLane\nmetadata: {name: %s, labels: {swimlane-group: g}}\nspec:\n  labelSelector: {lane: %s}\n  services: %s\n  ingressRules:\n", l, l, refs(m.has[l]))
		for _, e := range m.entries {
			rule := func(name, header, value string) {
				fmt.Fprintf(&b, "  - {name: %q, online: true, hosts: [%q], match: {headers: {%s: {exact: %q}}", name, e.host, header, value)
				if e.prefix != "" {
					fmt.Fprintf(&b, ", uri: {prefix: %s}", e.prefix)
				}
				fmt.Fprintf(&b, "}, route: {destination: {host: %s.default.svc.cluster.local}}}\n", e.service)
			}
			for _, u := range slices.Sorted(maps.Keys(m.users)) {
				if m.users[u] == l {
					rule(u, "x-user-id", u)
				}
			}
			rule(l, "x-lane", l)
		}
	}
	return b.String()
}

// A mesh is resources of Istio, and what a mesh does with them: of the hosts that
// stand for one the narrowest, of its routes the first that matches.
type mesh struct {
	t       *rapid.T
	subsets map[string]map[string]string // the labels of each "host subset"
	gateway map[string]*networking.VirtualService
	inside  map[string]*networking.VirtualService
}

func apply(t *rapid.T, text string) *mesh {
	m := &mesh{t: t, subsets: map[string]map[string]string{}, gateway: map[string]*networking.VirtualService{}, inside: map[string]*networking.VirtualService{}}
	docs, problems := source.Read("rendered.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, d := range docs {
		switch d.Kind {
		case "DestinationRule":
			var rule networking.DestinationRule
			m.decode(d, &rule)
			for _, s := range rule.Subsets {
				m.subsets[rule.Host+" "+s.Name] = s.Labels
			}
		case "VirtualService":
			var vs networking.VirtualService
			m.decode(d, &vs)
			at := m.inside
			if vs.Gateways[0] != "mesh" {
				at = m.gateway
			}
			for _, h := range vs.Hosts {
				if at[h] != nil {
					t.Fatalf("host %s has two VirtualServices", h)
				}
				at[h] = &vs
			}
		}
	}
	return m
}

func (m *mesh) decode(d *source.Document, into proto.Message) {
	if err := d.Get("spec").Message(into).Err(); err != nil {
		m.t.Fatal(err)
	}
}

// call returns where a request goes: the host, and the labels of the pods.
func (m *mesh) call(services map[string]*networking.VirtualService, host, path string, headers, source map[string]string) (to string, labels map[string]string) {
	best := ""
	for h := range services {
		if stands(h, host) && (best == "" || narrower(h, best)) {
			best = h
		}
	}
	for _, route := range services[best].GetHttp() {
		if len(route.Match) > 0 && !slices.ContainsFunc(route.Match, func(r *networking.HTTPMatchRequest) bool { return matches(r, path, headers, source) }) {
			continue
		}
		maps.Copy(headers, route.GetHeaders().GetRequest().GetSet())
		d := route.Route[0].Destination
		labels, is := m.subsets[d.Host+" "+d.Subset]
		if !is {
			m.t.Fatalf("%s has no subset %q", d.Host, d.Subset)
		}
		return d.Host, labels
	}
	return "", nil
}

func matches(r *networking.HTTPMatchRequest, path string, headers, source map[string]string) bool {
	for name, want := range r.Headers {
		if headers[name] != want.GetExact() {
			return false
		}
	}
	for name, want := range r.SourceLabels {
		if source[name] != want {
			return false
		}
	}
	return strings.HasPrefix(path, r.Uri.GetPrefix())
}

// TestRandomModels checks that the rendered resources send each request where its
// model says, and that both forms of a model become the same resources.
func TestRandomModels(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		model := drawModel(t)
		text := renderText(t, model.short())
		if asm := renderText(t, model.manifests()); asm != text {
			t.Fatalf("of manifests becomes\n%s\nof a lanes file\n%s", asm, text)
		}
		mesh := apply(t, text)
		tags := append([]string{"", "s9"}, model.lanes...)
		for _, service := range model.services {
			host := service + ".default.svc.cluster.local"
			for _, tag := range tags {
				for _, from := range append([]string{"none"}, model.lanes...) {
					to, labels := mesh.call(mesh.inside, host, "/", map[string]string{"x-lane": tag}, map[string]string{"lane": from})
					if want := model.lane(service, tag, from); to != host || labels["lane"] != want {
						t.Errorf("a call of %s with tag %q from lane %q reaches %v of %q, want lane %s", service, tag, from, labels, to, want)
					}
				}
			}
		}
		for _, host := range []string{"a.example.com", "b.example.com", "c.example.org"} {
			for _, path := range []string{"/", "/a", "/a/b/c"} {
				for _, user := range []string{"", "jason", "0005", "s1", "bob"} {
					for _, tag := range tags {
						headers := map[string]string{"x-user-id": user, "x-lane": tag}
						to, labels := mesh.call(mesh.gateway, host, path, headers, nil)
						service, lane, after := model.ingress(host, path, user, tag)
						if strings.TrimSuffix(to, ".default.svc.cluster.local") != service || labels["lane"] != lane || headers["x-lane"] != after {
							t.Errorf("%q with tag %q at %s%s reaches %v of %q and has tag %q; want lane %q of %q, tag %q",
								user, tag, host, path, labels, to, headers["x-lane"], lane, service, after)
						}
					}
				}
			}
		}
	})
}

func renderText(t *rapid.T, src string) string {
	docs, problems := source.Read("model.yaml", []byte(src))
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, src)
	}
	groups, _, problems := Read(docs)
	if problems.Err() != nil {
		t.Fatalf("%v\n%s", problems.Err(), src)
	}
	var out bytes.Buffer
	for _, g := range groups {
		if err := manifest.Write(&out, Render(g, Options{})...); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}
