package propagation

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	extensions "istio.io/api/extensions/v1alpha1"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/source"
)

// inserted returns the filters that Istio makes of TrafficExtensions: the Lua with every
// other setting as it is by default, except for the name of its counters here.
func inserted(t testing.TB, objects []*manifest.Object, err error) (filters []*hcmv3.HttpFilter) {
	t.Helper()
	for _, o := range objects {
		text := written(t, o, err)
		docs, problems := source.Read("extension.yaml", []byte(text))
		if len(docs) != 1 || len(problems) > 0 {
			t.Fatalf("%d documents, %v in\n%s", len(docs), problems, text)
		}
		var spec extensions.TrafficExtension
		if err := docs[0].Get("spec").Message(&spec).Err(); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		packed, err := envoyfilter.Pack(&luav3.Lua{StatPrefix: o.Name, DefaultSourceCode: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: spec.GetLua().GetInlineCode()},
		}})
		if err != nil {
			t.Fatal(err)
		}
		filters = append(filters, &hcmv3.HttpFilter{Name: o.Name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return filters
}

// TestExtensionGolden checks what is printed.
func TestExtensionGolden(t *testing.T) {
	t.Parallel()
	table := load(t, ratios)
	scope := &Scope{Name: "tag-propagation", Namespace: "shop", Selector: map[string]string{"app": "cart"}, Headers: table.Propagated()}
	for name, render := range map[string]func() ([]*manifest.Object, error){
		"extension-restore": func() ([]*manifest.Object, error) {
			return PropagationExtensions(scope, Options{DataPath: Lua, Inbound: true})
		},
		"extension-recompute": func() ([]*manifest.Object, error) {
			object, err := RecomputeExtension(table, Options{DataPath: Lua, Selector: []string{"app=cart"}})
			return []*manifest.Object{object}, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := render()
			inserted(t, objects, err)
			var out bytes.Buffer
			if err := manifest.Write(&out, objects...); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, filepath.Join("testdata", name+".yaml"), out.String())
		})
	}
}

// TestExtensionRefuses checks that what a TrafficExtension cannot hold is refused.
func TestExtensionRefuses(t *testing.T) {
	t.Parallel()
	table := load(t, ratios)
	asked := Options{DataPath: ExtProc, Address: "unix:///run/tagproc/tagproc.sock"}
	_, err := PropagationExtensions(&Scope{Name: "n", Headers: table.Propagated()}, asked)
	_, again := RecomputeExtension(table, asked)
	for _, err := range []error{err, again} {
		if err == nil || err.Error() != envoyfilter.ErrExtensionIsLua.Error() {
			t.Errorf("with --data-path ext_proc: %v, want %v", err, envoyfilter.ErrExtensionIsLua)
		}
	}
	_, err = PropagationExtensions(&Scope{Name: "n", Headers: table.Propagated()}, Options{DataPath: Lua})
	_, again = RecomputeExtension(table, Options{DataPath: Lua})
	for _, err := range []error{err, again} {
		if err == nil || err.Error() != errNoSelector.Error() {
			t.Errorf("without a selector: %v, want %v", err, errNoSelector)
		}
	}
	users := make([]string, 5000)
	for i := range users {
		users[i] = strings.Repeat("u", 10) + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
	}
	long := load(t, "rules: [{header: x-user-id, tagHeader: x-tag, policies: [{range: 100, tagValue: s1}], overrides: [{tagValue: s2, values: ["+strings.Join(users, ", ")+"]}]}]")
	if _, err := RecomputeExtension(long, Options{DataPath: Lua, Selector: []string{"app=cart"}}); err == nil || !strings.Contains(err.Error(), "a TrafficExtension takes 65536") {
		t.Errorf("with 5,000 named users: %v, want an error that says how much Lua there may be", err)
	}
}
