package istio

import (
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
)

// TestLossless checks that no request is lost while the filter comes and goes, the
// rules change, and the canary is promoted, in the order of docs/istio.md.
func TestLossless(t *testing.T) {
	t.Parallel()
	w := startLanes(t, envoy.Version)
	w.sees(t, twentyPercent, jason)
	requests := w.startTraffic(t, "jason", "bob", "jack", "vance")
	const each = 100 // requests in every state
	for range 3 {
		w.run(t, "kubectl delete envoyfilter tagproc -n istio-system")
		w.gone(t, "dynamic_listeners", "ExternalProcessor", "istio-system/istio-ingressgateway")
		requests.more(t, w, each)
		w.run(t, "kubectl apply -f deploy/envoyfilter/sidecar.yaml")
		w.Expect(t, laneRow("jack", "s2"))
		requests.more(t, w, each)
	}
	for _, rules := range []string{"5-rules-50", "6-rules-0", "4-rules"} {
		w.run(t, "kubectl apply -f deploy/samples/lanes/"+rules+".yaml")
		requests.more(t, w, each)
	}
	w.promote(t)
	requests.more(t, w, each)
	requests.end(t)
}
