package mesh

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/source"
)

// good are sets of files that work.
const good = "../istio/lint/testdata/ok"

// TestMutations checks that mistakes which people make in a set that works are named. Each
// is an edit of one file.
func TestMutations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, set, file, old, edited string
		want                         source.Kind
	}{
		{"unknown cluster", "sidecar", "envoyfilter.yaml", "cluster_name: tagproc}", "cluster_name: tagproc-service}", "unknown-cluster"},
		{"unknown cluster of a Service", "service", "tagproc.yaml", "||tagproc.istio-system", "||tagproc.default", "unknown-cluster"},
		{"port of the container in the cluster", "service", "tagproc.yaml", "{name: grpc, port: 9002", "{name: grpc, port: 80", "unknown-cluster"},
		{"wrong selector of the filter", "sidecar", "envoyfilter.yaml", "labels: {istio: ingressgateway}", "labels: {istio: ingress-gateway}", "filter-selector"},
		{"filter in another namespace", "sidecar", "envoyfilter.yaml", "namespace: istio-system", "namespace: default", "filter-selector"},
		{"wrong selector of the Gateway", "sidecar", "gateway.yaml", "selector: {istio: ingressgateway}", "selector: {app: gateway}", "gateway-selector"},
		{"missing subset", "sidecar", "lanes.yaml", "  - name: s2\n    labels: {ASM_TRAFFIC_TAG: v2}\n", "", "ist0101"},
		{"subset of no pods", "sidecar", "lanes.yaml", "labels: {ASM_TRAFFIC_TAG: v2}", "labels: {version: v2}", "empty-subset"},
		{"filter after the router", "sidecar", "envoyfilter.yaml", "INSERT_BEFORE", "INSERT_AFTER", "filter-order"},
		{"filter added", "sidecar", "envoyfilter.yaml", "INSERT_BEFORE", "ADD", "filter-order"},
		{"filter for sidecars", "sidecar", "envoyfilter.yaml", "context: GATEWAY", "context: SIDECAR_INBOUND", "filter-context"},
		{"missing mutation rule", "sidecar", "envoyfilter.yaml", "            allow_expression: {regex: x-asm-prefer-tag}\n", "", "mutation-rules"},
		{"mutation rule of the prefix alone", "service", "tagproc.yaml", `regex: "appver.*|baggage"`, `regex: "appver|baggage"`, "mutation-rules"},
		{"missing forward rule of the key", "sidecar", "envoyfilter.yaml", "              - exact: x-user-id\n", "", "forward-rules"},
		{"missing forward rule of the tag", "sidecar", "envoyfilter.yaml", "              - exact: x-asm-prefer-tag\n", "", "forward-rules"},
		{"missing forward rule of baggage", "service", "tagproc.yaml", "              - exact: baggage\n", "", "forward-rules"},
		{"response headers not skipped", "sidecar", "envoyfilter.yaml", "            response_header_mode: SKIP\n", "", "response-headers"},
		{"early stripping missing", "sidecar", "envoyfilter.yaml", "              - remove_on_match: {key_matcher: {safe_regex: {regex: \"x[^a-z0-9]asm[^a-z0-9]prefer[^a-z0-9]tag\"}}}\n", "              - remove: x-request-id\n", "early-stripping"},
		{"early stripping of one of the prefix", "service", "tagproc.yaml", "remove_on_match: {key_matcher: {prefix: appver}}", "remove: appver-a", "early-stripping"},
		{"default route missing", "sidecar", "lanes.yaml", "  - name: default\n    route:\n    - destination:\n        host: mockc.default.svc.cluster.local\n        port: {number: 8000}\n        subset: s1\n", "", "no-default-route"},
		{"tag typo in an inner route", "sidecar", "lanes.yaml", "x-asm-prefer-tag: {exact: s2}", "x-asm-prefer-tag: {exact: s-2}", "misspelt-tag"},
		{"tag typo in the only route", "service", "mesh.yaml", "appver-c: {exact: v3}", "appver-c: {exact: v2}", "unrouted-tag"},
		{"header typo in a route", "service", "mesh.yaml", "appver-c: {exact", "apver-c: {exact", "misspelt-header"},
		{"tag typo in the rules", "sidecar", "rules.yaml", "tagValue: s2", "tagValue: s02", "unrouted-tag"},
		{"a rule of another header", "sidecar", "rules.yaml", "[x-asm-prefer-tag]", "[x-asm-prefer-tag, x-lane]", "needs-render"},
		{"bound to the wrong gateway", "sidecar", "lanes.yaml", "istio-system/ingressgateway", "istio-system/egressgateway", "unknown-gateway"},
		{"bound to a gateway of its own namespace", "service", "mesh.yaml", "[istio-system/ingressgateway]", "[ingressgateway]", "unknown-gateway"},
		{"bound to no gateway", "sidecar", "lanes.yaml", "  gateways: [istio-system/ingressgateway]\n", "", KindRefused},
		{"short host in another namespace", "sidecar", "lanes.yaml", "host: mocka.default.svc.cluster.local\n        port: {number: 8000}\n        subset: s1\n  - name: s2", "host: mocka\n        port: {number: 8000}\n        subset: s1\n  - name: s2", "unknown-cluster"},
		{"subPath", "sidecar", "gateway.yaml", "mountPath: /etc/tagproc/rules, readOnly: true", "mountPath: /etc/tagproc/rules/rules.yaml, subPath: rules.yaml", "sub-path"},
		{"ConfigMap in another namespace", "sidecar", "rules.yaml", "namespace: istio-system", "namespace: default", "rules-config-map"},
		{"another key of the ConfigMap", "sidecar", "rules.yaml", "  rules.yaml: |", "  tagproc.yaml: |", "rules-config-map"},
		{"socket at another path", "sidecar", "envoyfilter.yaml", "/run/tagproc/tagproc.sock", "/run/tagproc.sock", "listen-address"},
		{"socket not mounted", "sidecar", "gateway.yaml", "        - {name: socket, mountPath: /run/tagproc, readOnly: true}\n", "", "socket-mount"},
		{"listening on the loopback", "service", "tagproc.yaml", "--listen=:9002", "--listen=127.0.0.1:9002", "listen-address"},
		{"port without protocol", "service", "tagproc.yaml", "- {name: grpc, port: 9002, targetPort", "- {name: tagproc, port: 9002, targetPort", "service-protocol"},
		{"Service of no pods", "service", "tagproc.yaml", "selector: {app.kubernetes.io/name: tagproc}", "selector: {app: tagproc}", "service-without-pods"},
		{"no sidecars", "service", "apps.yaml", "labels: {istio-injection: enabled}", "labels: {istio-injection: disabled}", "not-injected"},
		{"key of a token, and the filter first", "service", "tagproc.yaml", "INSERT_BEFORE", "INSERT_FIRST", "late-key"},
		{"another limit", "sidecar", "gateway.yaml", "--max-request-headers=200", "--max-request-headers=1000", "serve-limits"},
		{"a broken rules file", "sidecar", "rules.yaml", "tagHeader:", "tagHeadr:", source.KindUnknownKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := setOf(t, filepath.Join(good, c.set))
			i := slices.IndexFunc(files, func(f File) bool { return f.Name == c.file })
			if i < 0 || !strings.Contains(string(files[i].Source), c.old) {
				t.Fatalf("%s of %s has no %q to edit", c.file, c.set, c.old)
			}
			files[i].Source = []byte(strings.Replace(string(files[i].Source), c.old, c.edited, 1))
			r := linted(t, files)
			is := func(f lint.Finding) bool { return f.Severity == source.Error || f.Kind == c.want }
			if !slices.ContainsFunc(r.Findings, is) {
				t.Errorf("nothing is found, want %s; cannot tell %q", c.want, r.NotChecked)
			} else if !slices.ContainsFunc(r.Findings, func(f lint.Finding) bool { return f.Kind == c.want }) {
				t.Errorf("findings are %v, want one of kind %s", r.Findings, c.want)
			}
		})
	}
}

// TestGood checks that nothing is found in sets that work.
func TestGood(t *testing.T) {
	t.Parallel()
	sets, err := os.ReadDir(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets {
		t.Run(set.Name(), func(t *testing.T) {
			t.Parallel()
			if r := linted(t, setOf(t, filepath.Join(good, set.Name()))); len(r.Findings) > 0 {
				t.Errorf("findings are %v, want none", r.Findings)
			}
		})
	}
}

func linted(t *testing.T, files []File) *Report {
	t.Helper()
	r, err := Lint(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// setOf returns the files of a directory, by their names there.
func setOf(t *testing.T, dir string) (files []File) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".yaml" || ext == ".json" {
			src, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, File{Name: e.Name(), Source: src})
		}
	}
	return files
}
