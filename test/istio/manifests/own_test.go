package manifests

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// own makes the objects of a kustomization that somebody writes who uses ours, in a
// file system in which /deploy is deploy/kustomize. It replaces what is in dir.
func own(t *testing.T, dir, kustomization string, others map[string]string) objects {
	t.Helper()
	files := filesys.MakeFsInMemory()
	write := func(name, text string) {
		t.Helper()
		if err := files.WriteFile(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(kustomizations, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(kustomizations, name)
		if err == nil {
			write(path.Join("/deploy", filepath.ToSlash(relative)), string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	write(path.Join(dir, "kustomization.yaml"), kustomization)
	for name, text := range others {
		write(path.Join(dir, name), text)
	}
	return buildAt(t, files, dir)
}

// TestOwn builds the kustomizations of docs/deployment.md.
func TestOwn(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs", "deployment.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n# kustomization.yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("deployment.md has %d kustomizations, want one for each form", len(blocks))
	}
	const rules = "rules: [] # mine\n"
	for i, deployment := range []string{deployments[service], deployments[sidecar]} {
		kustomization := strings.ReplaceAll(blocks[i][1], "tagproc/deploy/kustomize", "../deploy")
		gateway, err := os.ReadFile(filepath.Join(kustomizations, "overlays", "sidecar", "gateway.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		all := own(t, "/own", kustomization, map[string]string{"rules.yaml": rules, "gateway.yaml": string(gateway)})
		if got := get[*corev1.ConfigMap](t, all, "ConfigMap/tagproc-rules").Data["rules.yaml"]; got != rules {
			t.Errorf("%s: the rules are %q, want %q", deployment, got, rules)
		}
		p := &get[*appsv1.Deployment](t, all, deployment).Spec.Template
		if got, want := container(t, p, "tagproc").Image, "registry.example/tagproc:v1.2.3"; got != want {
			t.Errorf("%s: the image is %s, want %s", deployment, got, want)
		}
	}
}
