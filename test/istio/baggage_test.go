package istio

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

const (
	// The applications of the second document forward baggage and nothing else.
	ratiosBaggage = `
kubectl set env deployment/app-a-v1 deployment/app-b-v1 deployment/app-c-v2 -n default forward=baggage
for app in app-a-v1 app-b-v1 app-c-v2; do kubectl rollout status deployment/$app -n default; done
`
	ratiosBaggageV2 = `
kubectl set env deployment/app-a-v2 deployment/app-b-v2 -n default forward=baggage
for app in app-a-v2 app-b-v2; do kubectl rollout status deployment/$app -n default; done
`
	// The hops' half, and the gateway's.
	ratiosPropagation = `
tagproc render propagation deploy/samples/asm/ratios/header-propagation.yaml | kubectl apply -f -
tagproc render envoyfilter --rules deploy/samples/ratios/propagated/rules.yaml | kubectl apply -f -
`
)

// instrumented makes the pods of an application run OpenTelemetry's instrumentation.
func (w *walk) instrumented(t *testing.T, deployments ...string) {
	t.Helper()
	for _, d := range deployments {
		w.run(t, `
kubectl patch deployment `+d+` -n default -p '{"spec":{"template":{"spec":{"containers":[{"name":"default","image":"tagproc/otelapp"}]}}}}'
kubectl rollout status deployment/`+d+` -n default
`)
	}
}

// TestBaggage checks every step of the second document with applications that forward
// baggage and nothing else; one of them does it by OpenTelemetry's instrumentation.
func TestBaggage(t *testing.T) {
	t.Parallel()
	for release, instrumented := range map[string]string{
		envoy.Version:         "app-b", // which gets baggage from one application and passes it to another
		envoy.PreviousVersion: "app-a", // which gets it from tagproc
	} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := begin(t, "2", cluster.Options{Envoy: release, NoGateway: true})
			w.run(t, sidecarGateway+ratiosStep1+ratiosBaggage)
			w.instrumented(t, instrumented+"-v1")
			w.sees(t, ratiosBaseline, nil)

			w.run(t, ratiosStep2+ratiosBaggageV2)
			w.instrumented(t, instrumented+"-v2")
			w.run(t, `
sed 's/^    rules:/    propagation: {headerPrefixes: [appver]}\n&/' deploy/samples/ratios/2-rules-as-printed.yaml | kubectl apply -f -
`+ratiosPropagation)
			w.sees(t, ratiosPrinted, nil)
			w.run(t, "kubectl apply -f deploy/samples/ratios/propagated/2-rules.yaml")
			w.sees(t, ratiosShown, nil)

			w.run(t, ratiosStep3+"kubectl apply -f deploy/samples/ratios/propagated/3-rules.yaml")
			w.sees(t, ratiosThree, nil)

			w.run(t, "kubectl apply -f deploy/samples/ratios/4-app-c-mesh.yaml")
			w.gone(t, "dynamic_route_configs", "|v2|app-c.", "default/app-b-v1", "default/app-b-v2")
			w.run(t, `
kubectl apply -f deploy/samples/ratios/propagated/4-rules.yaml
kubectl apply -f deploy/samples/ratios/5-app-c-mesh.yaml
kubectl delete deployment app-c-v2 -n default
`)
			w.NoPods(t, "default", "app-c-v2")
			w.sees(t, ratiosPromotion, nil)
			w.end(t)
		})
	}
}

// startBaggage comes to the third step of the second document, with app-b v1 and v2
// instrumented and the others told to forward baggage alone.
func startBaggage(t *testing.T, release string) *walk {
	t.Helper()
	w := begin(t, "2", cluster.Options{Envoy: release, NoGateway: true})
	w.run(t, sidecarGateway+ratiosStep1+ratiosStep2+ratiosStep3+ratiosBaggage+ratiosBaggageV2)
	w.instrumented(t, "app-b-v1", "app-b-v2")
	w.run(t, "kubectl apply -f deploy/samples/ratios/propagated/3-rules.yaml"+ratiosPropagation)
	w.sees(t, ratiosThree, nil)
	return w
}

// TestBaggageExtProc checks the third step where tagproc restores the tags at each hop,
// at a socket in the pod, in the place of Lua.
func TestBaggageExtProc(t *testing.T) {
	t.Parallel()
	for _, release := range envoy.Versions() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := startBaggage(t, release)
			step := steps(t, "2")[ratiosThree]
			patch, err := filepath.Abs("testdata/hops/tagproc.yaml")
			if err != nil {
				t.Fatal(err)
			}
			w.run(t, `
kubectl get configmap tagproc-rules -n istio-system -o jsonpath='{.data.rules\.yaml}' >$HOME/rules.yaml
kubectl create configmap tagproc-rules -n default --from-file=$HOME/rules.yaml
for app in app-a-v1 app-a-v2 app-b-v1 app-b-v2; do
  kubectl patch deployment $app -n default --patch-file `+patch+`
  kubectl rollout status deployment/$app -n default
done
tagproc render propagation deploy/samples/asm/ratios/header-propagation.yaml --data-path ext_proc | kubectl apply -f -
`)
			for _, d := range []string{"app-a-v1", "app-a-v2", "app-b-v1", "app-b-v2"} {
				w.gone(t, "dynamic_listeners", "envoy_on_request", "default/"+d)
			}
			w.Expect(t, rowsOf(step, nil)...)

			// It is tagproc that restores them: without it, app-a's call has no tag. Baggage
			// goes on, and the hop behind it restores them again.
			w.Down(t, "default", "app-a-v2", "tagproc")
			w.Expect(t, cluster.Row{User: "0005", Versions: map[string]string{"app-a": "v2", "app-b": "v1", "app-c": "v3"}})
		})
	}
}

// TestForgedBaggage checks that neither baggage nor tags of a client choose a version:
// with tagproc up, as the rules alone have it, and with tagproc down, where Envoy
// removes the header.
func TestForgedBaggage(t *testing.T) {
	t.Parallel()
	for _, release := range envoy.Versions() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := startBaggage(t, release)
			users := []string{"0001", "0003", "0005", ""}
			w.unmoved(t, "without --strip-client-baggage", users, forgedBaggage)

			w.run(t, `
tagproc render envoyfilter --rules deploy/samples/ratios/propagated/rules.yaml --strip-client-baggage >$HOME/filter.yaml
kubectl apply -f $HOME/filter.yaml
`)
			w.Eventually(t, "early removal", func() error {
				if !strings.Contains(w.EnvoyAdmin(t, cluster.SystemNamespace, "istio-ingressgateway", "/config_dump?resource=dynamic_listeners"), `"regex": "baggage|`) {
					return errors.New("the gateway's Envoy does not remove baggage")
				}
				return nil
			})
			w.forge(t, users, "$HOME/filter.yaml", forgedBaggage)
		})
	}
}

// forgedBaggage are forgeries for the second document's third step.
var forgedBaggage = []forgery{
	{http.Header{"appver-a": {"v2"}}, true},
	{http.Header{"APPVER-A": {"v2"}, "appver-a": {"v2"}}, false},
	{http.Header{"appver-b": {"v2"}, "appver-c": {"v3"}}, false}, // the applications do not forward them

	{http.Header{"baggage": {"appver-b=v2"}}, true},
	{http.Header{"Baggage": {"appver-c=v3"}}, true},
	{http.Header{"BAGGAGE": {"AppVer-B=v2,APPVER-C=v3"}}, true},
	{http.Header{"baggage": {" appver-b = v2 ; ttl=1 "}}, true},
	{http.Header{"baggage": {"\tappver-c\t=\tv3"}}, true},
	{http.Header{"baggage": {"appver-b=%76%32"}}, true},
	{http.Header{"baggage": {"appver-c=v%33"}}, true},
	{http.Header{"baggage": {"other=1,appver-b=v2,another=2"}}, true},
	{http.Header{"baggage": {"other=1", "appver-b=v2"}}, true},
	{http.Header{"baggage": {"other=1"}, "BAGGAGE": {"appver-c=v3"}}, true},
	{http.Header{"baggage": {"appver-b=v2"}, "appver-b": {"v2"}}, true},

	{http.Header{"baggage": {"appver-b=v1,appver-b=v2"}}, false},
	{http.Header{"baggage": {"appver-b=v2", "appver-b=v1"}}, false},
	{http.Header{"baggage": {"appver-b", "appver-b=v2"}}, false},
	{http.Header{"baggage": {"appver%2Db=v2,%61ppver-c=v3"}}, false},
	{http.Header{"baggage": {"appver%2db=v2,appver-%63=v3"}}, false},
	{http.Header{"baggage": {"other=1%2Cappver-b=v2,other=1%2Cappver-c%3Dv3"}}, false},
	{http.Header{"baggage": {",,appver-c=v3,,"}}, false},
	{http.Header{"baggage": {"appver=v2,appver-nobody=v2"}}, false},
}
