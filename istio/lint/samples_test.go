package lint_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tagproc/tagproc/istio/gateway"
	"github.com/tagproc/tagproc/istio/lint"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

const deployed = "../../deploy/"

// TestDeployed checks that what deploy/ has is without findings, at each step of the
// samples, with tagproc in both forms.
func TestDeployed(t *testing.T) {
	service := deployment(t, "kustomize/overlays/service/*.yaml")
	for _, c := range []struct{ sample, filter string }{
		{"samples/lanes/[0-9]-*.yaml", "envoyfilter/service.yaml"},
		{"samples/lanes/[0-9]-*.yaml", "envoyfilter/sidecar.yaml"},
		{"samples/ratios/[0-9]-*.yaml", ""},
	} {
		steps := deployment(t, c.sample)
		for n := range steps {
			if n+1 < len(steps) && filepath.Base(steps[n].Name)[0] == filepath.Base(steps[n+1].Name)[0] {
				continue // a step is all files of one number
			}
			files := steps[: n+1 : n+1]
			switch c.filter {
			case "":
				files = append(files, rendered(t, "samples/ratios/rules.yaml", "tagproc.istio-system:9002"))
				files = append(files, service...)
			case "envoyfilter/service.yaml":
				files = append(files, service...)
				fallthrough
			default:
				files = append(files, deployment(t, c.filter)...)
			}
			for _, f := range lint.Files(files, rules.Options{}).Findings {
				if f.Kind != "duplicate-object" { // a step takes the place of an earlier one
					t.Errorf("up to %s, with %s: %v", steps[n].Name, c.filter, f.WithFix())
				}
			}
		}
	}
}

// TestRendered checks that what render makes of rules of all sorts knows them.
func TestRendered(t *testing.T) {
	for _, address := range []string{"unix:///run/tagproc/tagproc.sock", "tagproc.istio-system:9002"} {
		for _, path := range []string{"envoy/rules.yaml", "envoyfilter/rules.yaml", "samples/ratios/rules.yaml"} {
			files := append(deployment(t, path), rendered(t, path, address))
			for _, f := range lint.Files(files, rules.Options{}).Findings {
				t.Errorf("%s at %s: %v", path, address, f.WithFix())
			}
		}
	}
}

// deployment returns the files of deploy/ that match a pattern, except what makes
// a kustomization of them.
func deployment(t *testing.T, pattern string) (files []lint.File) {
	t.Helper()
	paths, err := filepath.Glob(deployed + pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("deploy/%s: no files (%v)", pattern, err)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(path) != "kustomization.yaml" {
			files = append(files, lint.File{Name: path, Source: src})
		}
	}
	return files
}

// rendered returns the EnvoyFilter of a rules file.
func rendered(t *testing.T, path, address string) lint.File {
	t.Helper()
	src, err := os.ReadFile(deployed + path)
	if err != nil {
		t.Fatal(err)
	}
	table, problems := rules.Load(path, src, rules.Options{})
	if table == nil {
		t.Fatal(problems)
	}
	o, err := gateway.EnvoyFilter(table, gateway.Options{
		Name: "tagproc", Namespace: "istio-system", Gateway: []string{"istio=ingressgateway"}, Address: address,
		Phase: gateway.PhaseRouter, Behaviour: gateway.Behaviour{DataPath: gateway.ExtProc, Timeout: 200 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := manifest.Write(&out, o); err != nil {
		t.Fatal(err)
	}
	return lint.File{Name: "envoyfilter.yaml", Source: out.Bytes()}
}
