package istio

import (
	"strings"
	"testing"

	"github.com/tagproc/tagproc/test/istio/cluster"
)

// TestShell checks that blocks of shell work as on a machine with kubectl.
func TestShell(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{})
	shell := c.NewShell(t, "testdata/smoke")
	shell.Run(t, `
kubectl apply -f apps.yaml -f routes.yaml
kubectl -n default rollout status deployment/front deployment/back-v1 --timeout=60s
kubectl wait --for=condition=Available deployment --all --timeout=60s
export GATEWAY_ADDRESS=$(kubectl get svc -n istio-system | grep istio-ingressgateway | awk '{print $4}')
`)
	c.Expect(t, cluster.Row{User: "jack", Versions: baseline})
	out := shell.Run(t, `
curl -sS "$GATEWAY_ADDRESS" -H 'x-user-id: jack'
curl -sS "http://$GATEWAY" -H 'appver-back: v2'
`)
	first, second, _ := strings.Cut(out, "\n")
	for _, line := range []struct{ got, back string }{{first, "v1"}, {second, "v2"}} {
		if !strings.HasPrefix(line.got, "-> front(version: v1, ip: 10.") || !strings.Contains(line.got, ")-> back(version: "+line.back+", ip: 10.") {
			t.Errorf("curl printed %q, want front v1 and back %s", line.got, line.back)
		}
	}

	out = shell.Run(t, `
kubectl create configmap tagproc-rules -n istio-system --from-file=rules.yaml=/dev/stdin --dry-run=client -o yaml <<<"rules: []" | kubectl apply -f -
kubectl get configmap tagproc-rules -n istio-system -o jsonpath='{.data.rules\.yaml}'
kubectl scale deployment back-v2 --replicas=0
kubectl delete virtualservice/back
kubectl get vs
`)
	for _, want := range []string{"configmap/tagproc-rules created\n", "rules: []\n", "deployment.apps/back-v2 scaled\n", "virtualservice.networking.istio.io/back deleted\n", "NAME\nfront\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the block printed %q, want %q in it", out, want)
		}
	}
	c.NoPods(t, "default", "back-v2")

	out = shell.Run(t, `"$(dirname "$(command -v kubectl)")"/fallback/curl -sS -H 'x-user-id: jack' "$GATEWAY_ADDRESS"`)
	if !strings.HasPrefix(out, "-> front(version: v1, ip: 10.") {
		t.Errorf("the small curl printed %q, want front v1", out)
	}
	for _, bad := range []string{"false", "kubectl apply -f nothing.yaml", "kubectl explode", "kubectl get pods --nonsense", "kubectl rollout status deployment/nothing", "echo $NOT_SET"} {
		if out, err := shell.Try(bad); err == nil {
			t.Errorf("%q printed %q, want an error", bad, out)
		}
	}
}
