package gateway

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/rules"
)

const (
	lanes = `tagHeaders: {headers: [x-asm-prefer-tag]}
rules: [{header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}]`
	ratios = `tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver, x-ver-]}
rules:
- {header: X-User-Id, tagHeader: appver-a, policies: [{range: 50, tagValue: v2}]}
- {header: x-tenant, tagHeader: appver-b, policies: [{range: 20, tagValue: v2}]}
- {header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 20, tagValue: s2}]}`
	undeclared = `rules:
- {header: x-user-id, tagHeader: x-b, policies: [{range: 50, tagValue: v2}]}
- {header: x-user-id, tagHeader: x-a, policies: [{range: 50, tagValue: v2}]}`
	odd = "tagHeaders: {headers: [\"x.a+b\", \"x|y$^\", \"a\", \"x'y`~!#%&*\"], headerPrefixes: [\"p.q+\"]}\n" +
		"rules: [{header: x-user-id, tagHeader: x.a+b, policies: [{range: 100, tagValue: v2}]}]"
	trusting = lanes + "\ntrustClientTags: true"
	carried  = lanes + "\npropagation: {headers: [x-asm-prefer-tag]}"
	nothing  = "tagHeaders: {headers: [x-asm-prefer-tag]}\nrules: []"
)

// TestGolden checks what is printed. What is printed is read back strictly.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src string
		options   func(o *Options)
	}{
		{"lanes", lanes, nil},
		{"ratios", ratios, nil},
		{"undeclared", undeclared, nil},
		{"odd-names", odd, nil},
		{"trusting", trusting, nil},
		{"propagated", carried, nil},
		{"strip-baggage", carried, func(o *Options) { o.StripClientBaggage = true }},
		{"strip-baggage-trusting", trusting, func(o *Options) { o.StripClientBaggage = true }},
		{"no-rules", nothing, nil},
		{"service", lanes, func(o *Options) { o.Address = "tagproc.istio-system:9002" }},
		{"service-domain", lanes, func(o *Options) { o.Address = "tag.proc.svc.example.org:443" }},
		{"lua", lanes, func(o *Options) { o.DataPath = Lua }},
		{"authn", lanes, func(o *Options) { o.Phase = PhaseAuthn }},
		{"fail-closed", lanes, func(o *Options) { o.FailClosed, o.Timeout = true, 1500*time.Millisecond }},
		{"target-gateway", lanes, func(o *Options) { o.Gateway, o.Target, o.Namespace = nil, "gateway/shop", "shop" }},
		{"target-waypoint", lanes, func(o *Options) {
			o.Gateway, o.Target, o.Namespace = nil, "waypoint/waypoint", "default"
			o.Address = "tagproc.istio-system:9002"
		}},
		{"another-gateway", lanes, func(o *Options) {
			o.Name, o.Namespace = "tagproc-shop", "shop"
			o.Gateway = []string{"gateway.networking.k8s.io/gateway-name=shop", "app=on"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options()
			if c.options != nil {
				c.options(&o)
			}
			got := render(t, load(t, c.src), o)
			decode(t, got)
			file := filepath.Join("testdata", c.name+".yaml")
			golden.Check(t, file, got)
		})
	}
}

// TestStable checks the promise of tagHeaders: an edit of the rules within them
// needs no new render.
func TestStable(t *testing.T) {
	t.Parallel()
	want := render(t, load(t, ratios), options())
	for _, edit := range [][2]string{
		{"range: 50", "range: 100"},
		{"tagValue: v2", "tagValue: v3"},
		{"tagHeader: appver-b", "tagHeader: appver-c"},
		{"- {header: x-tenant", "- {name: another, modulo: 70, header: x-tenant"},
		{"rules:", "rules:\n- {header: X-TENANT, tagHeader: x-ver-new, mode: shadow, policies: [{range: 1, tagValue: x}]}"},
	} {
		if got := render(t, load(t, strings.Replace(ratios, edit[0], edit[1], 1)), options()); got != want {
			t.Errorf("with %q for %q it differs:\n%s", edit[1], edit[0], cmp.Diff(want, got))
		}
	}
	for _, edit := range [][2]string{
		{"header: x-tenant", "header: x-session"},
		{"header: x-tenant", "match: {hosts: [example.com]}, header: x-tenant"},
		{"header: x-tenant", "match: {paths: [{exact: /}]}, header: x-tenant"},
		{"header: x-tenant", "match: {headers: [{name: x-beta, present: true}]}, header: x-tenant"},
		{"header: x-tenant", "keys: [{header: x-tenant}, {visitor: {}}]"},
		{"rules:", "forwarded: {headers: [x-user-id, x-tenant, cookie]}\nrules:"},
		{"headerPrefixes: [appver, x-ver-]", "headerPrefixes: [appver]"},
		{"rules:", "trustClientTags: true\nrules:"},
		{"rules:", "propagation: {headerPrefixes: [appver]}\nrules:"},
	} {
		if render(t, load(t, strings.Replace(ratios, edit[0], edit[1], 1)), options()) == want {
			t.Errorf("with %q for %q it is the same", edit[1], edit[0])
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		src  string
		want []string // what each begins with
	}{
		{lanes, nil},
		{undeclared, []string{"no tagHeaders are declared"}},
		{nothing, []string{"without rules the gateway forwards no key"}},
	} {
		got := Warnings(load(t, c.src), ExtProc)
		ok := len(got) == len(c.want)
		for i := range min(len(got), len(c.want)) {
			ok = ok && strings.HasPrefix(got[i], c.want[i])
		}
		if !ok {
			t.Errorf("Warnings(%s) = %q, want %q", c.src, got, c.want)
		}
	}
	// Declared by the operator is declared.
	table, _ := rules.Load("r", []byte(undeclared), rules.Options{TagHeaders: rules.Owned{Prefixes: []string{"x-"}}})
	if table != nil {
		t.Fatal("the prefix x- is accepted, and includes x-forwarded-for")
	}
	table, _ = rules.Load("r", []byte(undeclared), rules.Options{TagHeaders: rules.Owned{Headers: []string{"x-a", "x-b"}}})
	if got := Warnings(table, ExtProc); got != nil {
		t.Errorf("Warnings with the option TagHeaders = %q, want none", got)
	}
}

// An application would not keep a cookie, so a waypoint gives none.
func TestVisitorsAtWaypoint(t *testing.T) {
	t.Parallel()
	table := load(t, "rules: [{name: r, keys: [{visitor: {}}], tagHeader: x-tag, policies: [{range: 20, tagValue: v2}]}]")
	for target, want := range map[string]string{"gateway/shop": "", "waypoint/shop": "--target waypoint/shop: the rules give visitors cookies"} {
		o := options()
		o.Gateway, o.Target = nil, target
		_, err := EnvoyFilter(table, o)
		if got := fmt.Sprint(err); (want == "") != (err == nil) || want != "" && !strings.HasPrefix(got, want) {
			t.Errorf("EnvoyFilter with %s = %v, want %q", target, err, want)
		}
	}
}

func TestNothingToWrite(t *testing.T) {
	t.Parallel()
	const want = "the rules have no tag header: "
	if _, err := EnvoyFilter(load(t, "rules: []"), options()); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("EnvoyFilter without rules = %v, want an error that begins with %q", err, want)
	}
}

// TestBounds checks what Envoy leaves to a tagproc that somebody has taken over:
// SECURITY.md says so.
func TestBounds(t *testing.T) {
	t.Parallel()
	p := decode(t, render(t, load(t, "propagation: {headers: [x-tag]}\n"+everyone("x-tag")), options())).ext
	mode := p.GetProcessingMode()
	for what, ok := range map[string]bool{
		"it writes nothing but what the expression says": p.GetMutationRules().GetDisallowAll().GetValue() && p.GetMutationRules().GetAllowExpression().GetRegex() == "x[^a-z0-9]tag|baggage|correlation-context",
		"it sees nothing but these and keys":             len(p.GetForwardRules().GetAllowedHeaders().GetPatterns()) == 4,
		"it cannot answer":                               p.GetDisableImmediateResponse(),
		"it cannot ask for more":                         !p.GetAllowModeOverride() && len(p.GetAllowedOverrideModes()) == 0 && p.GetMaxMessageTimeout() == nil,
		"it sees no bodies":                              mode.GetRequestBodyMode() == extprocv3.ProcessingMode_NONE && mode.GetResponseBodyMode() == extprocv3.ProcessingMode_NONE,
		"it sees no responses":                           mode.GetResponseHeaderMode() == extprocv3.ProcessingMode_SKIP && mode.GetResponseTrailerMode() == extprocv3.ProcessingMode_SKIP && mode.GetRequestTrailerMode() == extprocv3.ProcessingMode_SKIP,
		"its metadata is of one namespace":               len(p.GetMetadataOptions().GetReceivingNamespaces().GetUntyped()) == 1 && len(p.GetMetadataOptions().GetReceivingNamespaces().GetTyped()) == 0,
	} {
		if !ok {
			t.Errorf("it does not ensure that %s: %v", what, p)
		}
	}
}
