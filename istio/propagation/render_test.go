package propagation

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

const ratios = `tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
propagation: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules:
- {header: x-user-id, tagHeader: appver-a, policies: [{range: 10, tagValue: v2}]}
- {header: x-tenant, tagHeader: x-asm-prefer-tag, modulo: 1000, policies: [{range: 200, tagValue: s2}, {range: 1000, tagValue: s1}],
   overrides: [{values: [jason, 'o"dd\', é], tagValue: s2}, {values: [ann], none: true}]}
- {name: later, header: x-tenant, tagHeader: appver-c, mode: shadow, policies: [{range: 1, tagValue: x}]}
- {name: dropped, header: x-user-id, tagHeader: appver-d, mode: off, policies: [{range: 1, tagValue: x}]}
`

// TestGolden checks what is printed. What is printed is read back strictly.
func TestGolden(t *testing.T) {
	t.Parallel()
	table := load(t, ratios)
	both := &Scope{Name: "tagproc-propagation", Headers: table.Propagated()}
	prefix := &Scope{Name: "tag-propagation", Namespace: "shop", Selector: map[string]string{"app": "cart", "tier": "on"}, Headers: rules.Owned{Prefixes: []string{"appver"}}}
	names := &Scope{Name: "n", Headers: rules.Owned{Headers: []string{"a", "b-c"}}}
	asked := Options{DataPath: ExtProc, Address: "unix:///run/tagproc/tagproc.sock"}
	for name, render := range map[string]func() (*manifest.Object, error){
		"restore":  func() (*manifest.Object, error) { return Propagation(both, Options{DataPath: Lua}) },
		"manifest": func() (*manifest.Object, error) { return Propagation(prefix, Options{DataPath: Lua}) },
		"collect":  func() (*manifest.Object, error) { return Propagation(names, Options{DataPath: Lua, Inbound: true}) },
		"options": func() (*manifest.Object, error) {
			return Propagation(prefix, Options{Name: "other", Namespace: "market", Selector: []string{"app=x"}, DataPath: Lua})
		},
		"restore-ext-proc": func() (*manifest.Object, error) { return Propagation(both, asked) },
		"collect-ext-proc": func() (*manifest.Object, error) { o := asked; o.Inbound = true; return Propagation(prefix, o) },
		"recompute":        func() (*manifest.Object, error) { return Recompute(table, Options{DataPath: Lua}) },
		"recompute-ext-proc": func() (*manifest.Object, error) {
			o := asked
			o.Name, o.Namespace, o.Selector = "tagproc-cart", "shop", []string{"app=cart"}
			return Recompute(table, o)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object, err := render()
			got := written(t, object, err)
			carriers := slices.DeleteFunc(decode(t, got).outbound, func(f *hcmv3.HttpFilter) bool { return f.GetName() == spellingsFilter })
			if len(carriers) != 1 {
				t.Errorf("%d outbound filters carry tags, want one, in\n%s", len(carriers), got)
			}
			file := filepath.Join("testdata", name+".yaml")
			golden.Check(t, file, got)
		})
	}
}

// TestStable checks that an edit of the rules needs a new render of what follows from
// them, and of nothing else.
func TestStable(t *testing.T) {
	t.Parallel()
	render := func(src string) (restore, recompute, asked string) {
		table := load(t, src)
		object, err := Propagation(&Scope{Name: "n", Headers: table.Propagated()}, Options{DataPath: Lua})
		restore = written(t, object, err)
		object, err = Recompute(table, Options{DataPath: Lua})
		recompute = written(t, object, err)
		object, err = Recompute(table, Options{DataPath: ExtProc, Address: "unix:///s"})
		return restore, recompute, written(t, object, err)
	}
	restore, recompute, asked := render(ratios)
	for _, c := range []struct {
		from, to                  string
		restore, recompute, asked bool // changes
	}{
		{"range: 10,", "range: 50,", false, true, false},
		{"[jason,", "[jason, bob,", false, true, false},
		{"rules:", "# Edited.\nrules:", false, false, false},
		{"tagHeader: appver-a", "tagHeader: appver-b", false, true, false},
		{"header: x-tenant", "header: x-account", false, true, false},
		{"propagation: {headers: [x-asm-prefer-tag],", "propagation: {", true, true, false},
		{"tagHeaders: {headers: [x-asm-prefer-tag]", "tagHeaders: {headers: [x-asm-prefer-tag, x-new]", false, true, true},
	} {
		gotRestore, gotRecompute, gotAsked := render(strings.ReplaceAll(ratios, c.from, c.to))
		if (gotRestore != restore) != c.restore || (gotRecompute != recompute) != c.recompute || (gotAsked != asked) != c.asked {
			t.Errorf("%q for %q: restore changes: %v, recompute: %v, by ext_proc: %v, want %v, %v, %v",
				c.to, c.from, gotRestore != restore, gotRecompute != recompute, gotAsked != asked, c.restore, c.recompute, c.asked)
		}
	}

	before, _, _ := render(moved)
	after, _, _ := render(strings.Replace(moved, "appver-a", "appver-b", 1))
	if before == after {
		t.Errorf("of rules that declare no prefix, restore does not change with the tag header:\n%s", after)
	}
}

// Everything that is wrong with options is said at once.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{DataPath: Lua}, ""},
		{Options{DataPath: Lua, Address: "nowhere"}, ""},
		{Options{DataPath: ExtProc, Address: "unix:///s", Selector: []string{"a=b", "c="}}, ""},
		{
			Options{Name: "A", Namespace: "a.b", Selector: []string{"a", "a=b"}, DataPath: "wasm"},
			`--name "A": expected the name of an object: lower-case letters, digits, - and .` + "\n" +
				`--namespace "a.b": expected the name of a namespace: lower-case letters, digits and -` + "\n" +
				`--selector "a": expected a label of the pods, KEY=VALUE, once for each key` + "\n" +
				`--selector "a=b": expected a label of the pods, KEY=VALUE, once for each key` + "\n" +
				`--data-path "wasm": expected lua or ext_proc`,
		},
		{Options{DataPath: ExtProc, Address: "a.b:1"}, `--address "a.b:1": expected unix:// and an absolute path, as in unix:///run/tagproc/tagproc.sock`},
	} {
		got := ""
		if err := c.o.Check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("Check of %+v = %s, want %s", c.o, got, c.want)
		}
		if _, err := Propagation(&Scope{Name: "n", Headers: rules.Owned{Headers: []string{"a"}}}, c.o); (err != nil) != (c.want != "") {
			t.Errorf("Propagation with %+v = %v, want %q", c.o, err, c.want)
		}
	}
}
