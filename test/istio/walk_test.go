package istio

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// A walk is one of the walk-throughs, on a cluster.
type walk struct {
	*cluster.Cluster

	shell *cluster.Shell              // in a directory that has deploy/
	left  map[string]walkthrough.Step // those that nobody has seen yet
}

// begin starts a cluster for the walk-through of a document, "1" or "2".
func begin(t *testing.T, document string, o cluster.Options) *walk {
	t.Helper()
	w := &walk{Cluster: cluster.Start(t, o), left: steps(t, document)}
	w.shell = w.NewShell(t, checkout(t))
	return w
}

// steps are those of a document, by name.
func steps(t testing.TB, document string) map[string]walkthrough.Step {
	t.Helper()
	all, err := walkthrough.Steps()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]walkthrough.Step{}
	for _, s := range all {
		if strings.HasPrefix(s.Name, document) {
			found[s.Name] = s
		}
	}
	return found
}

// TestOracle checks that the steps of both documents are all that there are: end holds
// that a walk sees each of its own.
func TestOracle(t *testing.T) {
	t.Parallel()
	all := steps(t, "")
	if n := len(steps(t, "1")) + len(steps(t, "2")); n != len(all) || n == 0 {
		t.Errorf("documents 1 and 2 have %d of %d steps", n, len(all))
	}
}

// tags are tag headers by user.
type tags map[string]map[string]string

// sees waits until a step's users reach the versions that it says, and every hop sees
// the tags that it says, except for users whose tag is what a route writes.
func (w *walk) sees(t *testing.T, step string, routed tags) {
	t.Helper()
	s, ok := w.left[step]
	if !ok {
		t.Fatalf("there is no step %q left to see", step)
	}
	delete(w.left, step)
	rows := rowsOf(s, routed)
	if len(rows) == 0 {
		t.Fatalf("step %q has no users", step)
	}
	w.Expect(t, rows...)
}

// rowsOf are requests of a step's users; routed has the tags of those whose tag is what
// a route writes.
func rowsOf(s walkthrough.Step, routed tags) (rows []cluster.Row) {
	for _, u := range s.Users {
		row := cluster.Row{User: u.ID, Versions: u.Versions, Tags: u.Tags}
		if written, ok := routed[u.ID]; ok {
			row.Tags = written
		}
		rows = append(rows, row)
	}
	return rows
}

// end fails where a step was left out.
func (w *walk) end(t *testing.T) {
	t.Helper()
	for _, step := range slices.Sorted(maps.Keys(w.left)) {
		t.Errorf("nobody saw step %q", step)
	}
}

// run runs commands as docs/istio.md has them, where deploy/ is.
func (w *walk) run(t *testing.T, commands string) {
	t.Helper()
	w.shell.Run(t, commands)
}

// gone waits until no Envoy of Deployments, as namespace/name, has a text in a part of
// its configuration, which is what somebody asks `istioctl proxy-status` for.
func (w *walk) gone(t *testing.T, part, text string, deployments ...string) {
	t.Helper()
	for _, d := range deployments {
		namespace, name, _ := strings.Cut(d, "/")
		w.Eventually(t, "configuration", func() error {
			if strings.Contains(w.EnvoyAdmin(t, namespace, name, "/config_dump?resource="+part), text) {
				return fmt.Errorf("the Envoy of %s has %q in its %s", d, text, part)
			}
			return nil
		})
	}
}
