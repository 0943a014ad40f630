package istio

import (
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// Steps of the second document.
const (
	ratiosBaseline  = "2, step 1: the baseline, no plug-in"
	ratiosPrinted   = "2, step 2 as printed: app-a 10%, app-b 100%"
	ratiosShown     = "2, step 2 as its output shows: app-a 10%, app-b 10%"
	ratiosThree     = "2, step 3: app-c joins at 50%"
	ratiosPromotion = "2, step 4: app-c v3 promoted (its default route is v3, its rule is gone)"
)

const (
	ratiosStep1 = `
kubectl apply -f deploy/samples/ratios/0-namespace.yaml -f deploy/samples/ratios/1-app-init.yaml
for app in app-a-v1 app-b-v1 app-c-v2; do kubectl rollout status deployment/$app -n default; done
kubectl apply -f deploy/samples/ratios/1-app-init-mesh.yaml
`
	ratiosStep2 = `
kubectl apply -f deploy/samples/ratios/2-app-ab-v2.yaml
for app in app-a-v2 app-b-v2; do kubectl rollout status deployment/$app -n default; done
kubectl apply -f deploy/samples/ratios/2-app-ab-v2-mesh.yaml
`
	ratiosStep3 = `
kubectl apply -f deploy/samples/ratios/3-app-c-v3.yaml
kubectl rollout status deployment/app-c-v3 -n default
kubectl apply -f deploy/samples/ratios/3-app-c-v3-mesh.yaml
`
	ratiosFilter = `
tagproc render envoyfilter --rules deploy/samples/ratios/rules.yaml | kubectl apply -f -
`
)

// TestRatios checks every step of the second document, with the samples as they are.
func TestRatios(t *testing.T) {
	t.Parallel()
	w := begin(t, "2", cluster.Options{NoGateway: true})
	w.run(t, sidecarGateway+ratiosStep1)
	w.sees(t, ratiosBaseline, nil)

	w.run(t, ratiosStep2+"kubectl apply -f deploy/samples/ratios/2-rules-as-printed.yaml"+ratiosFilter)
	w.sees(t, ratiosPrinted, nil)
	w.run(t, "kubectl apply -f deploy/samples/ratios/2-rules.yaml")
	w.sees(t, ratiosShown, nil)

	w.run(t, ratiosStep3+"kubectl apply -f deploy/samples/ratios/3-rules.yaml")
	w.sees(t, ratiosThree, nil)

	w.run(t, "kubectl apply -f deploy/samples/ratios/4-app-c-mesh.yaml")
	w.gone(t, "dynamic_route_configs", "|v2|app-c.", "default/app-b-v1", "default/app-b-v2")
	w.run(t, `
kubectl apply -f deploy/samples/ratios/4-rules.yaml
kubectl apply -f deploy/samples/ratios/5-app-c-mesh.yaml
kubectl delete deployment app-c-v2 -n default
`)
	w.NoPods(t, "default", "app-c-v2")
	w.sees(t, ratiosPromotion, nil)
	w.end(t)
}

// TestRatiosPreviousEnvoy checks the third step on the older Envoy, with rules that
// tagproc makes of ASM's manifest.
func TestRatiosPreviousEnvoy(t *testing.T) {
	t.Parallel()
	w := begin(t, "2", cluster.Options{Envoy: envoy.PreviousVersion, NoGateway: true})
	w.run(t, sidecarGateway+ratiosStep1+ratiosStep2+ratiosStep3+`
tagproc convert --tag-header-prefix appver deploy/samples/asm/ratios/wasm-plugin-ab-v2-c-v3.yaml >$HOME/rules.yaml
kubectl create configmap tagproc-rules -n istio-system --from-file=$HOME/rules.yaml --dry-run=client -o yaml | kubectl apply -f -
tagproc render envoyfilter --rules $HOME/rules.yaml | kubectl apply -f -
`)
	w.sees(t, ratiosThree, nil)
}
