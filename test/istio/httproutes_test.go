package istio

import (
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// gatewayAPI is the Gateway of the walk-through as one of the Gateway API, whose pods are
// there already.
const gatewayAPI = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ingressgateway, namespace: istio-system}
spec:
  gatewayClassName: istio
  addresses: [{type: Hostname, value: istio-ingressgateway.istio-system.svc.cluster.local}]
  listeners: [{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
`

// namedGateway is sidecarGateway with the label on its pods that Istio gives to pods that it
// makes for a Gateway.
const namedGateway = `
kubectl kustomize deploy/kustomize/overlays/sidecar |
  sed 's|^\( *\)istio: ingressgateway$|\1istio: ingressgateway\n\1gateway.networking.k8s.io/gateway-name: ingressgateway|' | kubectl apply -f -
kubectl rollout status deployment/istio-ingressgateway -n istio-system
`

// TestHTTPRoutes checks every step of the first document with a gateway that is named by
// the Gateway API, and routes of it instead of VirtualServices, from a lanes file and from the manifests of ASM: users reach
// the same versions.
func TestHTTPRoutes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ lanes, release string }{
		"lanes file":                  {"deploy/samples/lanes/lanes.yaml", envoy.Version},
		"lanes file, the older Envoy": {"deploy/samples/lanes/lanes.yaml", envoy.PreviousVersion},
		"ASM":                         {"deploy/samples/asm/lanes/swimlanes.yaml", envoy.Version},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, "1", cluster.Options{Envoy: tt.release, NoGateway: true})
			w.run(t, namedGateway+`
kubectl apply -f deploy/samples/lanes/0-namespace.yaml -f deploy/samples/lanes/1-sample.yaml
for app in mocka-s1 mockb-s1 mockc-s1 mockc-s2; do kubectl rollout status deployment/$app -n default; done
`)
			w.Apply(t, gatewayAPI)
			w.run(t, `
tagproc render lanes --routes httproute `+tt.lanes+` deploy/samples/lanes/1-sample.yaml | kubectl apply -f -
kubectl apply -f deploy/samples/lanes/4-rules.yaml
tagproc render envoyfilter --rules deploy/samples/lanes/rules.yaml --target gateway/ingressgateway | kubectl apply -f -
`)
			w.sees(t, twentyPercent, jason)
			w.run(t, "kubectl apply -f deploy/samples/lanes/6-rules-0.yaml")
			w.sees(t, rangeZero, jason)
			w.run(t, "kubectl delete envoyfilter tagproc -n istio-system")
			w.sees(t, pluginDeleted, jason)

			// Lane s1 gets the new version, and lane s2 goes.
			w.run(t, `
kubectl apply -f deploy/samples/lanes/7-promote-sample.yaml
kubectl rollout status deployment/mockc-s1 -n default
tagproc render lanes --routes httproute deploy/samples/lanes/lanes-promoted.yaml deploy/samples/lanes/1-sample.yaml | kubectl apply -f -
`)
			w.gone(t, "dynamic_route_configs", `"s2"`, "istio-system/istio-ingressgateway", "default/mocka-s1", "default/mockb-s1", "default/mockc-s1")
			w.run(t, `
kubectl delete service mockc-s2 -n default
kubectl delete deployment mockc-s2 -n default
`)
			w.sees(t, promoted, nil)
			w.end(t)
		})
	}
}

// TestHTTPRoutesRatios checks every step of the second document with HTTPRoutes, which have a
// lane group for each application: users reach the same versions as by the document's VirtualServices.
func TestHTTPRoutesRatios(t *testing.T) {
	t.Parallel()
	for _, release := range []string{envoy.Version, envoy.PreviousVersion} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := begin(t, "2", cluster.Options{Envoy: release, NoGateway: true})
			routes := func(step string) string {
				return "tagproc render lanes --routes httproute deploy/samples/ratios/httproute/" + step + "/lanes.yaml deploy/samples/ratios/1-app-init.yaml | kubectl apply -f -\n"
			}
			w.run(t, namedGateway+`
kubectl apply -f deploy/samples/ratios/0-namespace.yaml -f deploy/samples/ratios/1-app-init.yaml
for app in app-a-v1 app-b-v1 app-c-v2; do kubectl rollout status deployment/$app -n default; done
`)
			w.Apply(t, gatewayAPI)
			w.run(t, routes("1"))
			w.sees(t, ratiosBaseline, nil)

			w.run(t, `
kubectl apply -f deploy/samples/ratios/2-app-ab-v2.yaml
for app in app-a-v2 app-b-v2; do kubectl rollout status deployment/$app -n default; done
`+routes("2")+`
kubectl apply -f deploy/samples/ratios/2-rules-as-printed.yaml
tagproc render envoyfilter --rules deploy/samples/ratios/rules.yaml --target gateway/ingressgateway | kubectl apply -f -
`)
			w.sees(t, ratiosPrinted, nil)
			w.run(t, "kubectl apply -f deploy/samples/ratios/2-rules.yaml")
			w.sees(t, ratiosShown, nil)

			w.run(t, `
kubectl apply -f deploy/samples/ratios/3-app-c-v3.yaml
kubectl rollout status deployment/app-c-v3 -n default
`+routes("3")+"kubectl apply -f deploy/samples/ratios/3-rules.yaml")
			w.sees(t, ratiosThree, nil)

			after := rowsOf(w.left[ratiosPromotion], nil)
			w.run(t, routes("4")+"kubectl apply -f deploy/samples/ratios/4-rules.yaml")
			w.sees(t, ratiosPromotion, nil) // by every app-b: no request needs app-c-v2
			w.run(t, `
kubectl delete service app-c-v2 -n default
kubectl delete deployment app-c-v2 -n default
`)
			w.NoPods(t, "default", "app-c-v2")
			w.Expect(t, after...)
			w.end(t)
		})
	}
}
