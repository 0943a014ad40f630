package istio

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// A set is what a reader of docs/istio.md has applied at a step of a document.
type set struct {
	step    string        // of the walk-through, whose rows hold
	routed  tags          // as walk.sees has it
	more    []cluster.Row // that hold too
	options cluster.Options
	files   []string // below deploy/, in this order; a directory is built by kustomize
}

// ratiosEnvoyFilter is the EnvoyFilter of the set ratios, which checkedOut renders.
const ratiosEnvoyFilter = "envoyfilter-istio-system-tagproc.yaml"

var sets = map[string]set{
	"lanes": {
		step: twentyPercent, routed: jason,
		more: []cluster.Row{
			{Versions: laneVersions("s1"), Tags: untagged},
			{Header: laneTag("s2"), Versions: laneVersions("s1"), Tags: untagged},
			{User: "bob", Header: laneTag("s2"), Versions: laneVersions("s1"), Tags: laneTag("s1")},
		},
		options: cluster.Options{NoGateway: true},
		files: []string{
			"kustomize/overlays/sidecar",
			"samples/lanes/0-namespace.yaml", "samples/lanes/1-sample.yaml", "samples/lanes/2-gateway.yaml", "samples/lanes/3-lanes.yaml",
			"envoyfilter/sidecar.yaml",
		},
	},
	"ratios": {
		step: ratiosThree,
		more: []cluster.Row{{
			User: "0001", Header: map[string]string{"appver-b": "v2"},
			Versions: map[string]string{"app-a": "v1", "app-b": "v1", "app-c": "v2"}, Tags: untagged,
		}},
		files: []string{
			"kustomize/overlays/service",
			"samples/ratios/0-namespace.yaml", "samples/ratios/1-app-init.yaml", "samples/ratios/1-app-init-mesh.yaml",
			"samples/ratios/2-app-ab-v2.yaml", "samples/ratios/2-app-ab-v2-mesh.yaml",
			"samples/ratios/3-app-c-v3.yaml", "samples/ratios/3-app-c-v3-mesh.yaml",
			"samples/ratios/3-rules.yaml", ratiosEnvoyFilter,
		},
	},
}

func laneTag(lane string) map[string]string      { return map[string]string{"x-asm-prefer-tag": lane} }
func laneVersions(lane string) map[string]string { return laneRow("", lane).Versions }

// objects reads the set's manifests from a directory: those that are left when all are
// applied, since a later one takes the place of an earlier one.
func (s set) objects(t testing.TB, deploy string) []*source.Document {
	t.Helper()
	var all []*source.Document
	for _, name := range s.files {
		path := filepath.Join(deploy, name)
		var text string
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			text = cluster.Kustomize(t, path)
		} else {
			text = read(t, path)
		}
		docs, problems := source.Read(name, []byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for _, d := range docs {
			if i := find(all, d.ID()); i >= 0 {
				all = slices.Delete(all, i, i+1)
			}
			all = append(all, d)
		}
	}
	return all
}

// written returns an object as a file of its own.
func written(t testing.TB, d *source.Document) string {
	t.Helper()
	text, err := d.YAML(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// find returns the index of an object, or -1.
func find(objects []*source.Document, id string) int {
	return slices.IndexFunc(objects, func(d *source.Document) bool { return d.ID() == id })
}

// rows are requests whose answers show that the set works.
func (s set) rows(t testing.TB) []cluster.Row {
	t.Helper()
	step, ok := steps(t, "")[s.step]
	if !ok {
		t.Fatalf("there is no step %q", s.step)
	}
	return slices.Concat(rowsOf(step, s.routed), s.more)
}

// start runs a cluster with the set as deploy/ has it.
func (s set) start(t testing.TB) *cluster.Cluster {
	t.Helper()
	c := cluster.Start(t, s.options)
	for _, d := range s.objects(t, checkedOut(t)) {
		c.Apply(t, written(t, d))
	}
	c.RolloutAll(t)
	c.Expect(t, s.rows(t)...)
	return c
}

// checkedOut returns a copy of deploy/ with edits. Each edit has to change something.
func checkedOut(t testing.TB, edits ...edit) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../deploy")); err != nil {
		t.Fatal(err)
	}
	tagproc(t, "render", "envoyfilter", "--rules", dir+"/samples/ratios/rules.yaml", "--address", "tagproc.istio-system:9002", "--output-dir", dir)
	for _, e := range edits {
		file := filepath.Join(dir, e.file)
		text := read(t, file)
		if n := strings.Count(text, e.old); n != 1 || e.old == e.edited {
			t.Fatalf("%s has %q %d times, want once, to write %q in its place", e.file, e.old, n, e.edited)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(text, e.old, e.edited, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tagproc runs the built program and returns what it prints.
func tagproc(t testing.TB, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(cluster.Tagproc(), args...).Output()
	if err != nil {
		t.Fatal(failed(args, err))
	}
	return out
}

func failed(args []string, err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("tagproc %s: %w\n%s", strings.Join(args, " "), err, exit.Stderr)
	}
	return err
}

// lint returns the kinds of findings that `tagproc lint` has, sorted.
func lint(t testing.TB, objects []*source.Document) []string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"lint", "-o", "json"}
	for i, d := range objects {
		file := filepath.Join(dir, fmt.Sprintf("%d-%s.yaml", i, d.Kind))
		if err := os.WriteFile(file, []byte(written(t, d)), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out, err := exec.Command(cluster.Tagproc(), args...).Output()
	var report struct {
		Findings []struct{ Kind, Message string }
	}
	if jsonErr := json.Unmarshal(out, &report); jsonErr != nil {
		t.Fatal(failed(args, err), jsonErr)
	}
	var kinds []string
	for _, f := range report.Findings {
		kinds = append(kinds, f.Kind)
		t.Logf("lint: %s [%s]", f.Message, f.Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
