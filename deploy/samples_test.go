package deploy

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/source"
)

// documents reads every manifest below samples/, by its path there. Rules files
// come as documents without a kind.
func documents(t *testing.T) map[string][]*source.Document {
	t.Helper()
	files := map[string][]*source.Document{}
	err := filepath.WalkDir("samples", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		docs, problems := source.Read(path, src)
		if len(problems) > 0 {
			t.Errorf("%v", problems)
		}
		files[strings.TrimPrefix(filepath.ToSlash(path), "samples/")] = docs
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("there are no samples")
	}
	return files
}

// TestSamplesAreComplete checks that every manifest is one that kubectl takes as it
// is, wherever the current context points, and that a later step finds the object
// that it changes.
func TestSamplesAreComplete(t *testing.T) {
	t.Parallel()
	clusterScoped := []string{"Namespace", "ASMSwimLaneGroup", "ASMSwimLane"}
	for path, docs := range documents(t) {
		seen := map[string]bool{}
		for _, d := range docs {
			if d.Kind == "" && slices.Contains([]string{"rules.yaml", "lanes.yaml", "lanes-promoted.yaml"}, filepath.Base(path)) {
				continue
			}
			if d.APIVersion == "" || d.Kind == "" || d.Name == "" {
				t.Errorf("%s: %q %q %q is not an object", path, d.APIVersion, d.Kind, d.Name)
			}
			if d.Namespace == "" && !slices.Contains(clusterScoped, d.Kind) {
				t.Errorf("%s: %s is in whatever namespace is current", path, d.ID())
			}
			if seen[d.ID()] {
				t.Errorf("%s: %s is there twice", path, d.ID())
			}
			seen[d.ID()] = true
			if strings.HasSuffix(d.Group(), "istio.io") && d.Group() != "extensions.istio.io" && d.Kind != "EnvoyFilter" && d.APIVersion != "networking.istio.io/v1" {
				t.Errorf("%s: %s is of %s, want networking.istio.io/v1", path, d.ID(), d.APIVersion)
			}
		}
	}
}

// TestSampleApplications checks that the applications of each directory are the
// chain that the walk-through calls, and that a Deployment and its pods have the
// labels that it selects by.
func TestSampleApplications(t *testing.T) {
	t.Parallel()
	chains := map[string][]string{"lanes": {"mocka", "mockb", "mockc"}, "ratios": {"app-a", "app-b", "app-c"}}
	files := documents(t)
	deployments := map[string]int{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		for _, d := range files[path] {
			if d.Kind != "Deployment" {
				continue
			}
			dir := filepath.Dir(path)
			deployments[dir]++
			env := map[string]string{}
			container := []any{"spec", "template", "spec", "containers", 0}
			for i := range 3 {
				at := append(slices.Clone(container), "env", i)
				env[d.Text(append(slices.Clone(at), "name")...)] = d.Text(append(slices.Clone(at), "value")...)
			}
			app, version := d.Labels["app"], d.Labels["version"]
			if env["app"] != app || env["version"] != version {
				t.Errorf("%s: %s is labelled %s %s and says %s %s", path, d.ID(), app, version, env["app"], env["version"])
			}
			next := ""
			chain := chains[dir]
			if i := slices.Index(chain, app); i < 0 {
				t.Errorf("%s: %s is in no chain", path, d.ID())
			} else if i+1 < len(chain) {
				next = "http://" + chain[i+1] + ":8000"
			}
			if env["next"] != next {
				t.Errorf("%s: next of %s = %q, want %q", path, d.ID(), env["next"], next)
			}
			for _, label := range []string{"app", "version", "ASM_TRAFFIC_TAG"} {
				pod := d.Text("spec", "template", "metadata", "labels", label)
				if pod == "" || pod != d.Labels[label] {
					t.Errorf("%s: %s has the label %s %q, its pods %q", path, d.ID(), label, d.Labels[label], pod)
				}
				if selected := d.Text("spec", "selector", "matchLabels", label); selected != "" && selected != pod {
					t.Errorf("%s: %s selects %s %q, its pods have %q", path, d.ID(), label, selected, pod)
				}
			}
			if image := d.Text(append(slices.Clone(container), "image")...); image != "tagproc/sample" {
				t.Errorf("%s: %s runs %q, want the sample application", path, d.ID(), image)
			}
		}
	}
	if deployments["lanes"] != 5 || deployments["ratios"] != 6 {
		t.Errorf("there are %v Deployments, want 5 of lanes and 6 of ratios", deployments)
	}
}
