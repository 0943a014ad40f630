package istio

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// terminal is how a terminal takes a block: a grep that finds nothing does not end it.
const terminal = "set +eo pipefail\n"

// TestDiagnosis checks that a hop that drops baggage ends in the baseline, and that the
// blocks of docs/propagation.md say which one it is.
func TestDiagnosis(t *testing.T) {
	t.Parallel()
	_, text, ok := strings.Cut(read(t, "../../docs/propagation.md"), "\n## Which hop dropped the tag?\n")
	if !ok {
		t.Fatal("docs/propagation.md has no section on which hop dropped the tag")
	}
	text, _, _ = strings.Cut(text, "\n## ")
	steps := blocks(text, 1)
	if len(steps) != 4 {
		t.Fatalf("the section has %d blocks, want 4", len(steps))
	}
	for _, release := range envoy.Versions() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := startBaggage(t, release)
			w.run(t, `
export GATEWAY=$(kubectl get service istio-ingressgateway -n istio-system -o jsonpath='{.status.loadBalancer.ingress[0].ip}')
kubectl get configmap tagproc-rules -n istio-system -o jsonpath='{.data.rules\.yaml}' >$HOME/rules.yaml
for app in app-b-v1 app-b-v2; do
  kubectl patch deployment $app -n default -p '{"spec":{"template":{"spec":{"containers":[{"name":"default","image":"tagproc/sample"}]}}}}'
  kubectl set env deployment/$app -n default forward=x-user-id
  kubectl rollout status deployment/$app -n default
done
`)
			// app-c is meant to be v3 for this user.
			w.Expect(t, cluster.Row{User: "0005", Versions: map[string]string{"app-a": "v2", "app-b": "v2", "app-c": "v2"}})

			if out := w.shell.Run(t, "cd $HOME\n"+steps[0].script); !strings.Contains(out, "baggage: appver-a=v2,appver-b=v2,appver-c=v3") {
				t.Errorf("step 1 printed\n%s\nwant the baggage of 0005", out)
			}
			filters := w.shell.Run(t, terminal+steps[1].script)
			for _, app := range []string{"app-a-v1", "app-a-v2", "app-b-v1", "app-b-v2"} {
				if !regexp.MustCompile(`(?m)^pod/` + app + `-.*"tagproc\.restore"`).MatchString(filters) {
					t.Errorf("step 2 printed\n%s\nwant tagproc.restore in the line of %s", filters, app)
				}
			}
			w.Eventually(t, "step 3", func() error {
				out, err := w.shell.Try(terminal + steps[2].script)
				if err != nil {
					return fmt.Errorf("%w\n%s", err, out)
				}
				if got, want := directions(out), "app-a-v2 in with, app-a-v2 out with, app-b-v2 in with, app-b-v2 out without, app-c-v2 in without"; got != want {
					return fmt.Errorf("step 3 says %s, want %s; it printed\n%s", got, want, out)
				}
				return nil
			})
			if out, _ := w.shell.Try(terminal + steps[3].script); out != "" {
				t.Errorf("step 4 printed %q, want nothing", out)
			}
		})
	}
}

// pod matches the beginning of what step 3 says of a pod.
var pod = regexp.MustCompile(`^== pod/(app-[abc]-v[0-9])-`)

// directions are what came into pods and what left them, with baggage or without, of
// what step 3 prints, in the order in which the pods call each other.
func directions(printed string) string {
	var all []string
	deployment := ""
	for line := range strings.Lines(printed) {
		switch m := pod.FindStringSubmatch(line); {
		case m != nil:
			deployment = m[1]
		case strings.HasPrefix(line, "cluster 'inbound"):
			all = append(all, deployment+" in without")
		case strings.HasPrefix(line, "cluster 'outbound"):
			all = append(all, deployment+" out without")
		case strings.HasPrefix(line, "'baggage', 'appver-a=v2,"):
			if n := len(all); n > 0 {
				all[n-1] = strings.Replace(all[n-1], "without", "with", 1)
			}
		}
	}
	slices.Sort(all) // "in" is before "out", and app-a before app-b
	return strings.Join(slices.Compact(all), ", ")
}
