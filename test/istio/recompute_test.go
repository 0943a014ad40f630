package istio

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// The applications of the first document forward the user's id and nothing else.
const lanesUserID = `
kubectl set env deployment/mocka-s1 deployment/mockb-s1 deployment/mockc-s1 deployment/mockc-s2 -n default forward=x-user-id
for app in mocka-s1 mockb-s1 mockc-s1 mockc-s2; do kubectl rollout status deployment/$app -n default; done
`

// TestRecompute checks every step of the first document with applications that forward
// the user's id and nothing else.
func TestRecompute(t *testing.T) {
	t.Parallel()
	for _, release := range envoy.Versions() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := startLanes(t, release)
			w.run(t, lanesUserID)
			// No hop behind the first one knows the tag.
			w.Expect(t, firstHop(w.left[twentyPercent], jason)...)

			w.run(t, "kubectl apply -f deploy/samples/lanes/recompute.yaml")
			w.sees(t, twentyPercent, jason)

			// The gateway alone does not roll back, nor do the hops.
			w.run(t, "kubectl apply -f deploy/samples/lanes/6-rules-0.yaml")
			w.Eventually(t, "hops that disagree with the gateway", func() error {
				trace, err := w.send(t, "jack", nil)
				if err != nil {
					return err
				}
				for i, want := range []string{"s1", "s2", "s2"} {
					if got := trace[i].Tags["x-asm-prefer-tag"]; !slices.Equal(got, []string{want}) {
						return fmt.Errorf("%s saw the tags %q, want %s", trace[i].App, got, want)
					}
				}
				if got := trace.Versions()["mockc"]; got != "v2" {
					return fmt.Errorf("mockc answered %s, want v2", got)
				}
				return nil
			})
			w.run(t, `
sed 's/range: 20$/range: 0/' deploy/samples/lanes/recompute/rules.yaml >$HOME/rules.yaml
tagproc render recompute --rules $HOME/rules.yaml --namespace default | kubectl apply -f -
`)
			w.sees(t, rangeZero, jason)

			// Named users alone, whom a route of the gateway goes on to name.
			w.run(t, `
kubectl delete envoyfilter tagproc -n istio-system
sed -e 's/range: 20$/range: 0/' -e '/range: 100/,$d' deploy/samples/lanes/recompute/rules.yaml >$HOME/rules.yaml
tagproc render recompute --rules $HOME/rules.yaml --namespace default | kubectl apply -f -
`)
			w.sees(t, pluginDeleted, jason)

			w.promote(t)
			w.run(t, "kubectl delete envoyfilter tagproc-recompute -n default")
			w.sees(t, promoted, nil)
			w.end(t)
		})
	}
}

// TestRecomputeInAHurry checks that without the hops' filter all but the first hop are
// the baseline's.
func TestRecomputeInAHurry(t *testing.T) {
	t.Parallel()
	w := startLanes(t, envoy.Version)
	step := w.left[twentyPercent]
	w.run(t, lanesUserID+"kubectl apply -f deploy/samples/lanes/recompute.yaml")
	w.sees(t, twentyPercent, jason)
	w.run(t, "kubectl delete envoyfilter tagproc-recompute -n default")
	w.Expect(t, firstHop(step, jason)...)
}

// firstHop returns rows of a step's users whose tags reach only the first hop, so that
// the other hops are of the baseline.
func firstHop(s walkthrough.Step, routed tags) []cluster.Row {
	rows := rowsOf(s, routed)
	for i := range rows {
		rows[i].Versions = maps.Clone(rows[i].Versions)
		rows[i].Versions["mockc"] = "v1"
		rows[i].Tags = nil
	}
	return rows
}
