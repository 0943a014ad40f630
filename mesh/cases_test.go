package mesh

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/source"
)

// cases are files of testdata, and the kinds of what is found in them together, warnings in
// parentheses; "": they are good.
var cases = []struct{ files, want string }{
	{"rules base dr vs", ""},

	// Tag routes that are never reached.
	{"rules base dr shadowed-routes/vs-shadow", "unreachable-route"},
	{"rules base dr shadowed-routes/vs-shadow2", "unreachable-route"},
	{"rules base dr shadowed-routes/vs-shadow3", "unreachable-route"},
	{"rules base dr shadowed-routes/gwonly shadowed-routes/vs-mgw2", "half-routed-tag"},
	{"rules base dr shadowed-routes/gww", "half-routed-tag"},
	{"rules base dr shadowed-routes/gw2vs", "unreachable-route"},

	// Names of Gateways.
	{"rules base dr vs gateway-names/gwonly gateway-names/vs-fqdn gateway-names/ef", "(early-spellings) (istio-warn)"},
	{"rules base dr vs gateway-names/gwonly gateway-names/gwother gateway-names/vs-fqdn gateway-names/ef", "(early-spellings) (ist0145) (istio-warn)"},
	{"rules base dr vs gateway-names/gwonly gateway-names/vs-fqdn2 gateway-names/ef", "(early-spellings) (istio-warn)"},
	{"rules base dr gateway-names/gwshop gateway-names/vs-dot", "refused"},

	// Wildcards.
	{"rules base wildcard-hosts/dr-wild vs", ""},
	{"rules base dr wildcard-hosts/vs-wild", ""},

	// Defaults that are a wider path, or the absence of the tag.
	{"rules base dr default-route/vs-prefix", ""},
	{"rules base dr default-route/vs-prefix2", ""},
	{"rules base dr default-route/vs-wo", ""},
	{"rules base dr default-route/vs-wo2", ""},

	// Pods that controllers and nodes add labels to, or that other kinds make.
	{"rules base pods/dr-topo vs", ""},
	{"pods/rules-canary pods/argo2", ""},
	{"pods/rules-canary pods/argo", ""},
	{"rules base pods/dr-unused vs", ""},
	{"rules pods/base-clone dr vs", ""},
	{"rules pods/base-clone2 dr vs", ""},
	{"rules pods/base-dc dr vs", ""},
	{"rules base pods/se2", ""},

	// Namespaces of Gateways' hosts.
	{"rules base dr vs gateway-host-namespace/gw-ns", "gateway-hosts"},
	{"rules base dr vs gateway-host-namespace/gw-ns2", "gateway-hosts"},
	{"rules base dr vs gateway-host-namespace/gw-mesh-only", "mesh-only"},
	{"rules base dr vs gateway-host-namespace/gw-mo2", "mesh-only"},
	{"rules base dr vs gateway-host-namespace/gw-mo3", "mesh-only"},

	// Injection.
	{"rules injection/base-rev dr vs", ""},
	{"rules injection/base-man dr vs", ""},
	{"rules injection/base-ann dr vs", "not-injected"},
	{"rules injection/base-hn dr vs", "not-injected"},

	// Ports of destinations at a gateway.
	{"rules gateway-ports/base-noservice gateway-ports/base2 dr vs gateway-ports/gw", "(ist0112) unknown-cluster"},
	{"rules gateway-ports/base-noservice gateway-ports/base3 dr gateway-ports/gw", ""},
	{"rules gateway-ports/base-noservice gateway-ports/base4 dr gateway-ports/gw", ""},

	// EnvoyFilters that leave the gateway out.
	{"unasked/rules unasked/shop unasked/partner unasked/filter", "(unasked-gateway)"},
	{"rules base dr vs envoyfilter-match/gw envoyfilter-match/gwpods envoyfilter-match/ef-port", "(early-spellings)"}, // it serves 80
	{"rules base dr vs envoyfilter-match/gw443 envoyfilter-match/gwpods envoyfilter-match/ef-port", "(early-spellings) filter-unapplied"},
	{"rules base dr vs envoyfilter-match/gw envoyfilter-match/gwpods envoyfilter-match/ef-name", "(early-spellings) filter-unapplied"},
	{"rules base dr vs envoyfilter-match/gw envoyfilter-match/gwpods envoyfilter-match/ef-sni", "(early-spellings) filter-unapplied"},
	{"rules base dr vs envoyfilter-match/gw envoyfilter-match/gwpods envoyfilter-match/ef-pv", "(early-spellings) filter-unapplied"},
	{"rules base dr vs envoyfilter-match/gw envoyfilter-match/gwpods envoyfilter-match/ef-snake", "(early-spellings) unknown-field"},
	{"rules base dr vs envoyfilter-match/gw envoyfilter-match/gwpods envoyfilter-match/ef-snake2", "(early-spellings) unknown-field"},
	{"rules base dr vs envoyfilter-match/gw envoyfilter-match/gwpods envoyfilter-match/ef-ecds", "(fail-closed) (header-limits) (message-timeout) (response-headers) early-stripping unknown-cluster"},
	{"rules base envoyfilter-match/gwapi envoyfilter-match/ef-gwapi envoyfilter-match/gwpods", "(early-spellings) unknown-cluster"},

	// Objects without a namespace.
	{"rules no-namespace/base no-namespace/dr no-namespace/vs no-namespace/gw", ""},

	{"rules base dr small/vs-3hosts", ""},
	{"small/cm base dr vs", ""},
	{"rules base small/dr-int vs", "refused"},
	{"rules base dr small/vs-yes", "refused"},
	{"rules base dr small/vs-v3 small/hr", "misspelt-tag unrouted-tag"},

	// Gateways without a Service.
	{"kinds/gateway", ""},
	{"kinds/gateway-only", ""},

	// One of each kind that no case above has.
	{"rules base dr kinds/appended-tag", "appended-tag"},
	{"rules base dr kinds/removed-tag", "removed-tag"},
	{"rules base dr kinds/late-named-users", "(late-named-users)"},
	{"kinds/rules-jason base dr kinds/named-twice", "(named-twice)"},
	{"rules base dr kinds/no-subset", "no-subset"},
	{"rules base dr kinds/random-version", "(random-version)"},
	{"rules base dr kinds/unrouted-set-tag", "unrouted-set-tag"},
	{"rules base dr kinds/unwritten-tag", "(unwritten-tag)"},
	{"rules base dr kinds/no-default-route", "no-default-route"},
	{"rules base dr kinds/misspelt-header", "misspelt-header"},
	{"rules base kinds/empty-subset kinds/empty-subset-dr", "empty-subset"},
	{"rules base dr vs kinds/two-virtual-services", "(ist0109) two-virtual-services"},
	{"rules base dr kinds/unknown-gateway kinds/gateway", "(ist0101) unknown-gateway"},
	{"rules base dr vs kinds/gateway kinds/pods-of-another", "(ist0101) gateway-selector"},
	{"rules kinds/base-tcp dr vs", "not-http unrouted-tag"},
	{"rules base kinds/hr-unattached", "gateway-hosts unrouted-tag"},

	// Manifests of strangers, re-created: what they get wrong, and what only looks so.
	{"strangers/weights-first", "(ist0130) (istio-warn) unreachable-route"},
	{"strangers/weights-last", "(random-version)"},
	{"strangers/weights-inside", "(random-version)"},
	{"strangers/subset-policy", ""},
	{"strangers/baggage", ""},
	{"strangers/flagger-at-rest", ""},
	{"strangers/cookie-after-header", ""},
	{"strangers/same-labels", ""},
	{"strangers/mcp-gateway", "(bodies) (fail-closed) (filter-name) (header-limits) (message-timeout) (response-headers) early-stripping filter-selector"},
	{"strangers/jwt-claim", ""},
	{"strangers/envoy-blue-green", "(cluster-limits) (header-limits) (message-timeout) early-stripping unreachable-route"},
	{"strangers/envoy-sidecar", "(cluster-limits) (fail-closed) (header-limits) (message-timeout) early-stripping"},
}

// TestCases checks what is found in small sets of files. Many are public ones, re-created.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, c := range cases {
		t.Run(c.files, func(t *testing.T) {
			t.Parallel()
			var files []File
			for name := range strings.FieldsSeq(c.files) {
				f := file(t, "testdata/"+name+".yaml")
				f.Name = path.Base(f.Name)
				files = append(files, f)
			}
			r := linted(t, files)
			var kinds, lines []string
			for _, f := range r.Findings {
				kind := string(f.Kind)
				if f.Severity == source.Warning {
					kind = "(" + kind + ")"
				}
				kinds, lines = append(kinds, kind), append(lines, f.String())
			}
			slices.Sort(kinds)
			if got := strings.Join(slices.Compact(kinds), " "); got != c.want {
				t.Errorf("kinds are %q, want %q:\n%s", got, c.want, strings.Join(lines, "\n"))
			}
		})
	}
}
