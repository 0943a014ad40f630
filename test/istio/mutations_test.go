package istio

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// A mutation is a deliberate mistake in a set that works.
type mutation struct {
	name  string
	set   string // of sets
	edits []edit

	// After makes visible what the set's rows alone do not show, and takes it back.
	// Rows have to hold then, instead of the set's. They hold with the right manifests.
	after func(t testing.TB, c *cluster.Cluster) (undo func())
	rows  []cluster.Row

	said    string        // what the check says, from when the mistake is there, and for
	lasts   time.Duration // this long, where it takes time to see that nothing happens
	refused bool          // Istio warns of it, or Envoy refuses it: then nothing else happens
	hidden  string        // why no row shows it

	found  []string // the kinds of findings that lint has
	unseen string   // why there is none: files do not show it
}

// An edit replaces a text that stands once in a file below deploy/.
type edit struct{ file, old, edited string }

// TestMutations checks that checks like those of the walk-throughs notice mistakes in
// what deploy/ has: every row holds; the wrong manifests are applied, and rows stop to
// hold for the reason that is expected; the right ones are applied, and they hold
// again. So it is the mistake that is noticed, however slow the machine.
func TestMutations(t *testing.T) {
	t.Parallel()
	for name, s := range sets {
		for _, release := range envoy.Versions() {
			t.Run(name+" on Envoy "+release, func(t *testing.T) {
				t.Parallel()
				s.options.Envoy = release
				c := s.start(t)
				for _, m := range mutations {
					if m.set != name || m.hidden != "" {
						continue
					}
					t.Run(m.name, func(t *testing.T) {
						if m.refused {
							m.isRefused(t, s)
						} else {
							m.isNoticed(t, s, c)
						}
					})
				}
			})
		}
	}
}

func (m mutation) isNoticed(t *testing.T, s set, c *cluster.Cluster) {
	t.Helper()
	right, wrong := s.objects(t, checkedOut(t)), s.objects(t, checkedOut(t, m.edits...))
	rows := s.rows(t)
	if m.after != nil {
		rows = m.rows
		undo := m.after(t, c)
		c.Expect(t, rows...)
		undo()
		c.Expect(t, s.rows(t)...)
	}
	defer func() {
		apply(t, c, wrong, right)
		c.Expect(t, s.rows(t)...)
	}()
	apply(t, c, right, wrong)
	if m.after != nil {
		defer m.after(t, c)()
	}
	noticed := func() error {
		if err := c.Check(t, rows...); err == nil || !strings.Contains(err.Error(), m.said) {
			return fmt.Errorf("the check says %w, want %q", cmp.Or(err, errNothing), m.said)
		}
		return nil
	}
	c.Eventually(t, "the mistake", noticed)
	const repeats = 5
	for n, noticedAt := 0, time.Now(); n < repeats || time.Since(noticedAt) < m.lasts; n++ {
		if err := noticed(); err != nil {
			t.Fatalf("it was noticed once, and then: %v", err)
		}
	}
}

// errNothing is what a check says where every row holds.
var errNothing = errors.New("nothing")

// isRefused notices what Istio or Envoy says of a mistake, and not the rows: with the
// earlier configuration they hold. The cluster is a new one, since Envoy counts
// refusals.
func (m mutation) isRefused(t *testing.T, s set) {
	t.Helper()
	said := cluster.Fails(t, func(t testing.TB) {
		t.Helper()
		c := s.start(t)
		apply(t, c, s.objects(t, checkedOut(t)), s.objects(t, checkedOut(t, m.edits...)))
		c.Eventually(t, "a refusal", func() error {
			if c.Refusals() == nil {
				return errors.New("no Envoy has refused anything")
			}
			return nil
		})
	})
	if !strings.Contains(said, m.said) {
		t.Errorf("the test said %s\nwant %q", said, m.said)
	}
}

// apply replaces the objects before by those after: it applies what differs and deletes
// what is gone.
func apply(t testing.TB, c *cluster.Cluster, before, after []*source.Document) {
	t.Helper()
	for _, d := range after {
		if i := find(before, d.ID()); i < 0 || written(t, before[i]) != written(t, d) {
			c.Apply(t, written(t, d))
		}
	}
	for _, d := range before {
		if find(after, d.ID()) < 0 {
			c.Delete(t, written(t, d))
		}
	}
	c.RolloutAll(t)
}

// TestMutationsAreFound checks that lint finds nothing in right manifests, and names
// the fault of each mutation that files show.
func TestMutationsAreFound(t *testing.T) {
	t.Parallel()
	for name, s := range sets {
		if found := lint(t, s.objects(t, checkedOut(t))); len(found) > 0 {
			t.Errorf("lint finds %q in the set %s, want nothing", found, name)
		}
	}
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			if got := lint(t, sets[m.set].objects(t, checkedOut(t, m.edits...))); !slices.Equal(got, m.found) {
				t.Errorf("lint finds %q, want %q", got, m.found)
			}
			if len(m.found) == 0 && m.unseen == "" {
				t.Error("the mutation does not say why files do not show it")
			}
		})
	}
}
