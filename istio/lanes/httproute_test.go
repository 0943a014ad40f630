package lanes

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/source"
)

// servicesOf returns a Service for each service of groups, the first with two ports.
func servicesOf(tb testing.TB, groups []*Group) []*source.Document {
	tb.Helper()
	var text strings.Builder
	for _, g := range groups {
		for i, s := range g.Services {
			fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec:\n  selector: {app: %s}\n  ports:\n"+
				"  - {name: http, port: 8000, targetPort: web, appProtocol: http}\n", s.Name, s.Namespace, s.Name)
			if i == 0 {
				text.WriteString("  - {name: http-admin, port: 9000}\n")
			}
		}
	}
	return documents(tb, "services.yaml", []byte(text.String()))
}

// httpRoutesOf returns what is made of groups for the Gateway API, as text, or why nothing is.
func httpRoutesOf(tb testing.TB, groups []*Group, docs []*source.Document, withGateway bool) string {
	tb.Helper()
	var objects []*manifest.Object
	for _, g := range groups {
		of, err := HTTPRoutes(g, docs, withGateway)
		if err != nil {
			return "refused: " + err.Error() + "\n"
		}
		objects = append(objects, of...)
	}
	var out bytes.Buffer
	if err := manifest.Write(&out, objects...); err != nil {
		tb.Fatal(err)
	}
	return out.String()
}

// TestHTTPRoutes checks what good files become in the Gateway API. test/istio has Istio's
// control plane and Envoys take it.
func TestHTTPRoutes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/ok/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			groups, _, problems := Read(read(t, file))
			if problems.Err() != nil {
				t.Fatal(problems.Err())
			}
			got := httpRoutesOf(t, groups, servicesOf(t, groups), strings.HasPrefix(filepath.Base(file), "gateway-resource"))
			golden.Check(t, filepath.Join("testdata", "httproute", strings.TrimSuffix(filepath.Base(file), ".yaml")+".out"), got)
		})
	}
}

// TestHTTPRoutesRefused checks that what an HTTPRoute cannot say is refused by name.
func TestHTTPRoutesRefused(t *testing.T) {
	t.Parallel()
	const lanes = `laneGroup: g
gateway: istio-system/gateway
routeHeader: x-lane
services: [a]
lanes: [{name: s1, labels: {v: a}}, {name: s2, labels: {v: b}}]
`
	for _, c := range []struct{ name, src, want string }{
		{"withoutHeaders", lanes + "ingress: [{service: a, match: {withoutHeaders: {x: {exact: b}}}}]", "an HTTPRoute has no withoutHeaders"},
		{"authority", lanes + "ingress: [{service: a, match: {authority: {exact: b}}}]", "an HTTPRoute has no authority"},
		{"ignoreUriCase", lanes + "ingress: [{service: a, match: {uri: {exact: /b}, ignoreUriCase: true}}]", "an HTTPRoute has no ignoreUriCase"},
		{"a pattern of methods", lanes + "ingress: [{service: a, match: {method: {prefix: P}}}]", "an HTTPRoute has no pattern of methods"},
		{"strict", "laneGroup: g\nmode: strict\nservices: [a]\nlanes: [{name: s1, labels: {v: a}}]", "the group g is strict"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			groups, _, problems := Read(documents(t, "lanes.yaml", []byte(c.src)))
			if problems.Err() != nil {
				t.Fatal(problems.Err())
			}
			if got := httpRoutesOf(t, groups, servicesOf(t, groups), false); !strings.HasPrefix(got, "refused: ") || !strings.Contains(got, c.want) {
				t.Errorf("HTTPRoutes = %s, want a refusal with %q", got, c.want)
			}
			if got := httpRoutesOf(t, groups, nil, false); !groups[0].Strict && !strings.Contains(got, "Service default/a is not among the files") {
				t.Errorf("HTTPRoutes without the Service = %s", got)
			}
		})
	}
}
