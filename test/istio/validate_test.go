package istio

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// validate checks that Kubernetes and Istio take manifests without a warning, and that
// istioctl's analyzers have nothing to say of them.
func validate(t *testing.T, streams ...string) {
	t.Helper()
	if err := cluster.Validate(streams...); err != nil {
		t.Error(err)
	}
	if err := cluster.Analyze(streams); err != nil {
		t.Error(err)
	}
}

// alone validates manifests together with only the objects that they refer to.
func alone(t *testing.T, stream string) {
	t.Helper()
	docs, problems := source.Read("manifests", []byte(stream))
	if len(problems) > 0 || len(docs) == 0 {
		t.Fatalf("%d objects, %v", len(docs), problems)
	}
	validate(t, stream, surroundings(t, docs))
}

// TestDeployed validates whatever is in deploy/: what is a manifest as it is, and what
// commands make manifests of as what they make.
func TestDeployed(t *testing.T) {
	t.Parallel()
	deploy := checkedOut(t)
	for path, src := range yamlFiles(t, "../../deploy") {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(path, "kustomize/") {
				kustomized(t, deploy, path)
				return
			}
			if strings.HasPrefix(path, "helm/") {
				return // test/chart holds what it makes equal to kustomize/
			}
			file := filepath.Join(deploy, path)
			docs, problems := source.Read(path, src)
			if len(problems) > 0 || len(docs) == 0 {
				t.Fatalf("%d documents, %v", len(docs), problems)
			}
			isStep, err := filepath.Match("samples/*/"+stepFiles, path)
			if err != nil {
				t.Fatal(err)
			}
			switch first := docs[0]; {
			case isStep: // TestSteps has them all
			case first.Kind == "WasmPlugin":
				if err := cluster.Validate(string(src)); err != nil {
					t.Error(err)
				}
				for _, address := range addresses {
					alone(t, string(tagproc(t, "render", "envoyfilter", "--rules", file, "--address", address)))
				}
			case first.Get("rules").Exists():
				for _, address := range addresses {
					alone(t, string(tagproc(t, "render", "envoyfilter", "--rules", file, "--address", address)))
				}
				alone(t, string(tagproc(t, "render", "telemetry", "--rules", file)))
			case first.Get("laneGroup").Exists(), strings.HasPrefix(first.Kind, "ASMSwimLane"):
				alone(t, string(tagproc(t, "render", "lanes", file)))
			case first.Kind == "ASMHeaderPropagation":
				alone(t, string(tagproc(t, "render", "propagation", file)))
			case first.Get("static_resources").Exists(): // Envoy's own; package deploy has its test
			case first.Get("groups").Exists(): // Prometheus' own; deploy/monitoring has its test
			default:
				alone(t, string(src))
			}
		})
	}
}

// addresses of tagproc, one for each form.
var addresses = []string{"unix:///run/tagproc/tagproc.sock", "tagproc.istio-system:9002"}

// yamlFiles returns the YAML files below a directory, by their path there.
func yamlFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(relative)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("%s has no YAML files", dir)
	}
	return files
}

// kustomized checks that a file below kustomize/ is one of a kustomization, and
// validates what that makes.
func kustomized(t *testing.T, deploy, path string) {
	t.Helper()
	const name = "kustomization.yaml"
	dir := filepath.Join(deploy, filepath.Dir(path))
	if filepath.Base(path) == "gateway-values.yaml" {
		return // Helm's; package manifests renders the chart with it
	}
	kustomization := read(t, filepath.Join(dir, name))
	if filepath.Base(path) != name {
		if !strings.Contains(kustomization, filepath.Base(path)) {
			t.Errorf("no kustomization beside it has it")
		}
		return
	}
	if strings.Contains(kustomization, "kind: Component\n") {
		of, ok := componentsOf[filepath.Base(dir)]
		if !ok {
			t.Fatal("componentsOf does not say what it is a component of")
		}
		if of == "" {
			return
		}
		component := filepath.Base(dir)
		dir = filepath.Join(deploy, "kustomize", "overlays", "with-"+component)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("resources: [%s]\ncomponents: [../../components/%s]\n", of, component)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	alone(t, cluster.Kustomize(t, dir))
}

// componentsOf says what components are for, seen from an overlay; "": they have kinds of the operator
// of Prometheus, which test/chart reads.
var componentsOf = map[string]string{
	"monitoring":         "",
	"sidecar-monitoring": "",
	"sidecar":            "../sidecar", // it is in there already; twice is once
	"sidecar-admin":      "../sidecar",
	"strict-mtls":        "../service",
	"watch":              "../service",
}

// stepFiles are the files of the samples that are applied one step after the other. A
// step is those of one number.
const stepFiles = "[0-9]-*.yaml"

// TestSteps validates what a reader of the samples has applied after each step, with
// tagproc in both forms.
func TestSteps(t *testing.T) {
	t.Parallel()
	deploy := checkedOut(t)
	samples, err := filepath.Glob(filepath.Join(deploy, "samples", "*", stepFiles))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]string{} // by sample
	for _, path := range samples {
		relative, err := filepath.Rel(deploy, path)
		if err != nil {
			t.Fatal(err)
		}
		sample := filepath.Base(filepath.Dir(path))
		files[sample] = append(files[sample], relative)
	}
	if len(files["lanes"]) < 5 || len(files["ratios"]) < 5 {
		t.Fatalf("the steps are %v", files)
	}
	for _, steps := range files {
		for i, last := range steps {
			if i+1 < len(steps) && filepath.Base(steps[i+1])[0] == filepath.Base(last)[0] {
				continue
			}
			for form, filter := range map[string]string{"sidecar": "envoyfilter/sidecar.yaml", "service": "envoyfilter/service.yaml"} {
				t.Run(form+" up to "+last, func(t *testing.T) {
					t.Parallel()
					s := set{files: append([]string{"kustomize/overlays/" + form, filter}, steps[:i+1]...)}
					var stream bytes.Buffer
					for _, d := range s.objects(t, deploy) {
						fmt.Fprintf(&stream, "---\n%s\n", written(t, d))
					}
					streams := []string{stream.String()}
					if form == "service" {
						streams = append(streams, cluster.GatewayManifests())
					}
					validate(t, streams...)
				})
			}
		}
	}
}

// TestRendered validates all examples that the packages which render have of what they
// make.
func TestRendered(t *testing.T) {
	t.Parallel()
	for name, pattern := range map[string]string{
		"gateway": "*.yaml", "lanes": "ok/*.out", "propagation": "*.yaml",
	} {
		files, err := filepath.Glob("../../istio/" + name + "/testdata/" + pattern)
		if err != nil || len(files) < 5 {
			t.Fatalf("package %s has %d examples, %v", name, len(files), err)
		}
		for _, file := range files {
			t.Run(name+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				text := read(t, file)
				if filepath.Ext(file) == ".out" { // what is said stands before it
					_, text, _ = strings.Cut("\n"+text, "\n---\n")
				}
				alone(t, text)
			})
		}
	}
}
