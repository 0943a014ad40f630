package lint

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// TestMutations checks that mistakes which people make in a set that works are
// named. Each is an edit of one file.
func TestMutations(t *testing.T) {
	src, err := os.ReadFile("testdata/mutations.yaml")
	if err != nil {
		t.Fatal(err)
	}
	docs, problems := source.Documents("mutations.yaml", src, source.MaxFileSize)
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	made := 0
	for _, c := range docs[0].Elements() {
		if c.Text("by") == "mesh" {
			continue
		}
		made++
		t.Run(c.Text("name"), func(t *testing.T) {
			r := Files(edited(t, c.Text("set"), c.Text("file"), c.Text("old"), c.Text("edited")), rules.Options{})
			want := source.Kind(c.Text("kind"))
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == want }) {
				t.Errorf("findings are %v, want one of kind %s", r.Findings, want)
			}
		})
	}
	if made < 20 {
		t.Errorf("%d mutations were made, want 20 and more", made)
	}
}

// TestFixes checks which fix is offered if the cause differs from what it seems.
func TestFixes(t *testing.T) {
	for _, c := range []struct {
		name, set, file, old, edited string
		kind                         source.Kind
		want                         string
	}{
		{
			"Service in another namespace", "service", "tagproc.yaml", "||tagproc.istio-system", "||tagproc.edge", "unknown-cluster",
			"the Service is in istio-system: render with --address tagproc.istio-system:9002",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Files(edited(t, c.set, c.file, c.old, c.edited), rules.Options{})
			i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Kind == c.kind })
			if i < 0 || r.Findings[i].Fix != c.want {
				t.Errorf("findings are %v, want %s with the fix %q", r.Findings, c.kind, c.want)
			}
		})
	}
}

// TestPlaces checks that places are those of the file, also for rules in a ConfigMap, and
// that the source line is what stands there.
func TestPlaces(t *testing.T) {
	r := Files(edited(t, "sidecar", "rules.yaml", "[x-asm-prefer-tag]", "[x-asm-prefer-tag, x-lane]"), rules.Options{})
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Kind == "needs-render" })
	if i < 0 {
		t.Fatalf("findings are %v, want needs-render", r.Findings)
	}
	if f := r.Findings[i]; f.Place() != "rules.yaml:8:46" || f.Source != "    tagHeaders: {headers: [x-asm-prefer-tag, x-lane]}" {
		t.Errorf("needs-render is at %s, %q, want rules.yaml:8:46 with the line of the header", f.Place(), f.Source)
	}
}

// TestRulesForms checks that rules are found in every form, and their propagation with them.
func TestRulesForms(t *testing.T) {
	const bare = "rules:\n- {header: x-user-id, tagHeader: appver-a, policies: [{range: 10, tagValue: v2}]}\n"
	indented := "    " + strings.ReplaceAll(strings.TrimSpace(bare), "\n", "\n    ") + "\n"
	const behind = "---\napiVersion: istio.alibabacloud.com/v1beta1\nkind: ASMHeaderPropagation\nmetadata: {name: p}\nspec: {headerPrefixes: [appver]}\n"
	const plugin = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: hash-tagging}\nspec:\n  pluginConfig:\n"
	const extension = "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {name: hash-tagging}\nspec:\n  wasm:\n    pluginConfig:\n"
	const tagging = "apiVersion: istio.alibabacloud.com/v1\nkind: ASMHashTagging\nmetadata: {name: hash-tagging}\nspec:\n  rules:\n  - {header: x-user-id, tagHeader: appver-a, modulo: 100, partitions: [{partitionSize: 10, tagValue: v2}]}\n"
	const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n"
	for _, c := range []struct {
		name, src  string
		propagated bool
		line       int // of the first rule; 0: of the key
	}{
		{"bare", bare, false, 2},
		{"bare with propagation", bare + behind, true, 2},
		{"plugin", plugin + indented, false, 7},
		{"plugin with propagation", plugin + indented + behind, true, 7},
		{"extension", extension + "  " + strings.ReplaceAll(indented, "\n    ", "\n      "), false, 8},
		{"extension with propagation", extension + "  " + strings.ReplaceAll(indented, "\n    ", "\n      ") + behind, true, 8},
		{"ASMHashTagging", tagging, false, 6},
		{"ASMHashTagging with propagation", tagging + behind, true, 6},
		{"literal", configMap + "  rules.yaml: |\n" + indented, false, 7},
		{"literal, with a comment above", configMap + "  # ours\n  rules.yaml: |-\n\n    # ours\n" + indented, false, 10},
		{"quoted", configMap + `  rules.yaml: "` + strings.ReplaceAll(bare, "\n", `\n`) + "\"\n", false, 0},
		{"in a List", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: x}\n  data:\n    rules.yaml: |\n" + strings.ReplaceAll(indented, "    ", "      "), false, 10},
		{"plugin in a List", "apiVersion: v1\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(plugin+indented), "\n", "\n  ") + "\n- kind: Service\n  metadata: {name: a}\nkind: List\n", false, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := read([]File{{Name: "f.yaml", Source: []byte(c.src)}}, rules.Options{})
			if len(m.sets()) != 1 {
				t.Fatalf("%d sets of rules, findings %v; want 1", len(m.sets()), m.findings)
			}
			s := m.sets()[0]
			if got := !s.table.Propagated().IsZero(); got != c.propagated {
				t.Errorf("propagated = %v, want %v", got, c.propagated)
			}
			want := c.line
			if want == 0 {
				want = 5
			}
			if got := s.rule(0).problem(0, "", "").Line; got != want {
				t.Errorf("the first rule is in line %d, want %d:\n%s", got, want, c.src)
			}
		})
	}
}

// TestUnsuspicious checks that what works, or is not lint's to judge, is not found
// wrong.
func TestUnsuspicious(t *testing.T) {
	// Documents that are added to a set.
	const (
		byPath = `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: by-path}
spec:
  hosts: [mocka.default.svc.cluster.local]
  http:
  - match: [{uri: {prefix: /api}}]
    route: [{destination: {host: mocka.default.svc.cluster.local, subset: s1}}]
---
`
		elsewhere = `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: elsewhere}
spec:
  hosts: [pay.bank.svc.cluster.local, api.example.com]
  http:
  - route: [{destination: {host: pay.bank.svc.cluster.local}}]
---
`
		somebodys = `---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: lua, namespace: istio-system}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: SIDECAR_INBOUND}
    patch:
      operation: INSERT_FIRST
      value: {name: lua, typed_config: {"@type": type.googleapis.com/x, unknown: 1}}
---
`
		logged = `          max_request_headers_kb: 128
          access_log: [{name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.x.v3.X}}]
`
		policy = `kind: NetworkPolicy
metadata: {name: everybody, namespace: istio-system}
spec:
  podSelector: {}
  ingress:
  - ports: [{port: 9000, endPort: 9010}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
`
		shadow = `rules:
- {name: shadow, header: x-user-id, tagHeader: appver-z, mode: shadow, policies: [{range: 1, tagValue: v9}]}
`
	)
	for _, c := range []struct {
		name, set, file, old, edited string
		except                       source.Kind // which is found, and no other
	}{
		{"a type that lint does not know", "sidecar", "envoyfilter.yaml", "          max_request_headers_kb: 128\n", logged, kindUnknownType},
		{"a rollback", "sidecar", "rules.yaml", "range: 20", "range: 0", ""},
		{"a rule in shadow mode", "service", "rules.yaml", "rules:\n", shadow, ""},
		{"users that are kept untagged", "service", "rules.yaml", "    tagValue: v3\n  policies", "    none: true\n  policies", ""},
		{"camelCase", "sidecar", "envoyfilter.yaml", "max_request_headers_kb", "maxRequestHeadersKb", ""},
		{"a route by path, and none for others", "sidecar", "lanes.yaml", "---\n", byPath, ""},
		{"an EnvoyFilter of somebody else", "sidecar", "gateway.yaml", "---\n", somebodys, ""},
		{"policy for a range of ports", "service", "policies.yaml", "port: grpc", "port: 9000, endPort: 9002", ""},
		{"policies that let in together", "service", "policies.yaml", "kind: NetworkPolicy\n", policy, ""},
		{"policy for a namespace", "service", "policies.yaml", "- podSelector:\n        matchLabels: {istio: ingressgateway}", "- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: istio-system}}", ""},
		{"a Service elsewhere", "sidecar", "lanes.yaml", "---\n", elsewhere, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := map[source.Kind]bool{"": true}
			for _, f := range Files(edited(t, c.set, c.file, c.old, c.edited), rules.Options{}).Findings {
				if found[f.Kind] = true; f.Kind != c.except {
					t.Errorf("found: %v", f.WithFix())
				}
			}
			if !found[c.except] {
				t.Errorf("nothing is found of kind %s", c.except)
			}
		})
	}
}

// edited returns a good set with an edit of one file.
func edited(t *testing.T, set, file, old, edited string) []File {
	t.Helper()
	files := readDir(t, "testdata/ok/"+set)
	i := slices.IndexFunc(files, func(f File) bool { return f.Name == file })
	if i < 0 || !strings.Contains(string(files[i].Source), old) {
		t.Fatalf("%s of %s has no %q to edit", file, set, old)
	}
	files[i].Source = []byte(strings.Replace(string(files[i].Source), old, edited, 1))
	return files
}

// TestTrafficLabel holds that a TrafficLabel is answered with what does it here.
func TestTrafficLabel(t *testing.T) {
	r := Files([]File{{Name: "f.yaml", Source: []byte("apiVersion: istio.alibabacloud.com/v1beta1\nkind: TrafficLabel\nmetadata: {name: x}\nspec: {rules: []}\n")}}, rules.Options{})
	if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].String(), "tagproc render recompute") {
		t.Errorf("findings are %v, want one that names tagproc render recompute", r.Findings)
	}
}
