package envoygateway

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	lanes = `tagHeaders: {headers: [x-asm-prefer-tag]}
rules: [{header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}]`
	ratios = `tagHeaders: {headers: [lane, x-asm-prefer-tag], headerPrefixes: [appver]}
propagation: {headerPrefixes: [appver]}
rules: [{header: x-user-id, tagHeader: appver-a, policies: [{range: 50, tagValue: v2}]}]`
	visitors   = "tagHeaders: {headers: [x-tag]}\nrules: [{name: r, keys: [{visitor: {}}], tagHeader: x-tag, policies: [{range: 20, tagValue: v2}]}]"
	undeclared = "rules: [{header: x-user-id, tagHeader: x-a, policies: [{range: 50, tagValue: v2}]}]"
)

func options() Options {
	return Options{Name: "tagproc", Gateway: "default/shop", Service: "tagproc.tagproc:9002", Timeout: 200 * time.Millisecond}
}

func load(t *testing.T, src string) *rules.Table {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		t.Fatalf("%v in\n%s", problems.Err(), src)
	}
	return table
}

func render(t *testing.T, src string, o Options) string {
	t.Helper()
	objects, err := Resources(load(t, src), o)
	if err != nil {
		t.Fatalf("Resources = %v", err)
	}
	var out bytes.Buffer
	if err := manifest.Write(&out, objects...); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestGolden checks what is printed. test/envoygateway has the real Envoy Gateway read it.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src string
		options   func(o *Options)
	}{
		{"service", lanes, nil},
		{"service-beside", lanes, func(o *Options) { o.Gateway = "tagproc/shop" }},
		{"socket", lanes, func(o *Options) { o.Service = "unix:///run/tagproc/tagproc.sock" }},
		{"tls", lanes, func(o *Options) { o.CA = "tagproc-ca" }},
		{"tls-name", lanes, func(o *Options) { o.CA, o.TLSName = "tagproc-ca", "tagproc.example.com" }},
		{"propagated", ratios, nil},
		{"strip-baggage", lanes, func(o *Options) { o.StripClientBaggage = true }},
		{"trusting", lanes + "\ntrustClientTags: true", nil},
		{"visitors", visitors, nil},
		{"undeclared", undeclared, nil},
		{"fail-closed", lanes, func(o *Options) { o.FailClosed, o.Timeout, o.Name = true, 1500*time.Millisecond, "edge" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options()
			if c.options != nil {
				c.options(&o)
			}
			golden.Check(t, filepath.Join("testdata", c.name+".yaml"), render(t, c.src, o))
		})
	}
}

// TestStable checks that an edit of ranges, users, keys or a match needs no new render.
func TestStable(t *testing.T) {
	t.Parallel()
	want := render(t, ratios, options())
	for _, edit := range [][2]string{
		{"range: 50", "range: 100"},
		{"header: x-user-id", "header: x-tenant"},
		{"header: x-user-id", "match: {hosts: [example.com]}, header: x-user-id"},
		{"tagHeader: appver-a", "tagHeader: appver-b"},
	} {
		if got := render(t, strings.Replace(ratios, edit[0], edit[1], 1), options()); got != want {
			t.Errorf("with %q for %q it differs:\n%s", edit[1], edit[0], got)
		}
	}
	for _, edit := range [][2]string{
		{"headers: [lane, ", "headers: ["},
		{"rules:", "trustClientTags: true\nrules:"},
		{"propagation: {headerPrefixes: [appver]}\n", ""},
		{"header: x-user-id", "keys: [{header: x-user-id}, {visitor: {}}]"},
	} {
		if render(t, strings.Replace(ratios, edit[0], edit[1], 1), options()) == want {
			t.Errorf("with %q for %q it is the same", edit[1], edit[0])
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options func(*Options)
		want    string // what the error begins with
	}{
		{func(o *Options) { o.Gateway = "shop" }, `--gateway "shop": expected NAMESPACE/NAME`},
		{func(o *Options) { o.Gateway = "a.b/shop" }, `--gateway "a.b/shop": expected NAMESPACE/NAME`},
		{func(o *Options) { o.Gateway = "a/b/c" }, `--gateway "a/b/c": expected NAMESPACE/NAME`},
		{func(o *Options) { o.Service = "tagproc:9002" }, `--service "tagproc:9002": expected unix:///PATH, or SERVICE.NAMESPACE:PORT`},
		{func(o *Options) { o.Name = "A" }, `--name "A": expected the name of an object`},
		{func(o *Options) { o.Timeout = 0 }, "--timeout 0s: expected 1ms to 1m"},
		{func(o *Options) { o.CA = "A" }, `--tls-ca "A": expected the name of a ConfigMap`},
		{func(o *Options) { o.CA, o.Service = "ca", "unix:///run/s" }, "--tls-ca: expected a Service"},
		{func(o *Options) { o.TLSName = "a.b" }, "--tls-name: expected --tls-ca"},
		{func(o *Options) { o.CA, o.TLSName = "ca", "a b" }, `--tls-name "a b": expected a name`},
	} {
		o := options()
		c.options(&o)
		_, err := Resources(load(t, lanes), o)
		if err == nil || err.Error() != fmt.Sprint(o.Check()) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("Resources = %v, Check = %v, want an error that begins with %q", err, o.Check(), c.want)
		}
	}
}

// What the rules need and Envoy Gateway does not have is refused by name.
func TestRefused(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range mostRemovals / 2 {
		many = append(many, fmt.Sprintf("x-%d", i))
	}
	all := "{headers: [" + strings.Join(many, ", ") + "]}\n"
	for src, want := range map[string]string{
		"rules: []": "the rules have no tag header",
		"tagHeaders: " + all + "propagation: " + all + "rules: []":               "65 kinds of headers",
		"tagHeaders: {headers: [" + strings.Repeat("x-", 120) + "x]}\nrules: []": "the tag header that x[^a-z0-9]x",
		`rules:
- {name: a, keys: [{visitor: {cookie: a}}], tagHeader: x-a, policies: [{range: 20, tagValue: v2}]}
- {name: b, keys: [{visitor: {cookie: b}}], tagHeader: x-b, policies: [{range: 20, tagValue: v2}]}`: "the rules give visitors 2 cookies",
	} {
		if _, err := Resources(load(t, src), options()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Resources of %.80s = %v, want an error that begins with %q", src, err, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	if got := Warnings(load(t, lanes)); got != nil {
		t.Errorf("Warnings = %q, want none", got)
	}
	if got := Warnings(load(t, undeclared)); len(got) != 1 || !strings.HasPrefix(got[0], "no tagHeaders are declared") {
		t.Errorf("Warnings without tagHeaders = %q", got)
	}
}
