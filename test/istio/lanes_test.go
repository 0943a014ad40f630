package istio

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// Steps of the first document.
const (
	twentyPercent = "1: 20% of users to the canary lane"
	promoted      = "1, promoted: lane s1 holds the new version of mockc (v2), lane s2 is gone, the plug-in removed"
	rangeZero     = "1, rolled back by range 0 for s2: only the named user is left in the canary"
	pluginDeleted = "1, rolled back by deleting the plug-in"
)

// jason's tag is what the gateway's route for him writes.
var jason = tags{"jason": {"x-asm-prefer-tag": "s2"}}

const (
	sampleApps = `
kubectl apply -f deploy/samples/lanes/0-namespace.yaml -f deploy/samples/lanes/1-sample.yaml
for app in mocka-s1 mockb-s1 mockc-s1 mockc-s2; do kubectl rollout status deployment/$app -n default; done
kubectl apply -f deploy/samples/lanes/2-gateway.yaml
`
	// A gateway with tagproc in its pods.
	sidecarGateway = `
kubectl apply -k deploy/kustomize/overlays/sidecar
kubectl rollout status deployment/istio-ingressgateway -n istio-system
`
)

// startLanes comes to where deploy/samples/lanes is at 20%, in the sidecar form.
func startLanes(t *testing.T, release string) *walk {
	t.Helper()
	w := begin(t, "1", cluster.Options{Envoy: release, NoGateway: true})
	w.run(t, sidecarGateway+sampleApps+`
kubectl apply -f deploy/samples/lanes/3-lanes.yaml -f deploy/samples/lanes/4-rules.yaml -f deploy/envoyfilter/sidecar.yaml
`)
	return w
}

// TestLanes checks every step of the first document, with the samples as they are.
func TestLanes(t *testing.T) {
	t.Parallel()
	w := startLanes(t, envoy.Version)
	w.sees(t, twentyPercent, jason)

	moving := movingUsers(t, "../../deploy/samples/lanes/4-rules.yaml", "../../deploy/samples/lanes/5-rules-50.yaml")
	w.Expect(t, moving.before...)
	w.run(t, "kubectl apply -f deploy/samples/lanes/5-rules-50.yaml")
	w.Expect(t, moving.after...)

	w.run(t, "kubectl apply -f deploy/samples/lanes/6-rules-0.yaml")
	w.sees(t, rangeZero, jason)
	w.Expect(t, moving.back...)

	// tagproc goes too, and the gateway is what it would be without.
	w.run(t, `
kubectl delete envoyfilter tagproc -n istio-system
kubectl apply -f deploy/kustomize/overlays/sidecar/gateway.yaml
kubectl rollout status deployment/istio-ingressgateway -n istio-system
kubectl delete -k deploy/kustomize/base
`)
	w.sees(t, pluginDeleted, jason)

	w.promote(t)
	w.sees(t, promoted, nil)
	w.end(t)
}

// promote gives lane s1 the new version and takes lane s2 away.
func (w *walk) promote(t *testing.T) {
	t.Helper()
	w.run(t, `
kubectl apply -f deploy/samples/lanes/7-promote-sample.yaml
kubectl rollout status deployment/mockc-s1 -n default
kubectl apply -f deploy/samples/lanes/8-promote-routes.yaml
`)
	w.gone(t, "dynamic_route_configs", "|s2|", "istio-system/istio-ingressgateway", "default/mocka-s1", "default/mockb-s1", "default/mockc-s1")
	w.run(t, `
kubectl apply -f deploy/samples/lanes/9-promote-subsets.yaml
kubectl delete deployment mockc-s2 -n default
`)
	w.NoPods(t, "default", "mockc-s2")
}

// TestLanesPreviousEnvoy checks the first step and the way back on the older Envoy.
func TestLanesPreviousEnvoy(t *testing.T) {
	t.Parallel()
	w := startLanes(t, envoy.PreviousVersion)
	w.sees(t, twentyPercent, jason)
	w.run(t, "kubectl apply -f deploy/samples/lanes/6-rules-0.yaml")
	w.sees(t, rangeZero, jason)
	w.run(t, "kubectl delete envoyfilter tagproc -n istio-system")
	w.sees(t, pluginDeleted, jason)
}

// TestLanesOrigins checks that whatever tagproc makes of the lanes and the rules that
// somebody has, users see the same.
func TestLanesOrigins(t *testing.T) {
	t.Parallel()
	for name, commands := range map[string]string{
		"ASM": `
tagproc render lanes deploy/samples/asm/lanes/swimlanes.yaml | kubectl apply -f -
tagproc convert deploy/samples/asm/lanes/wasm.yaml >$HOME/rules.yaml
kubectl create configmap tagproc-rules -n istio-system --from-file=$HOME/rules.yaml --dry-run=client -o yaml | kubectl apply -f -
tagproc render envoyfilter --rules deploy/samples/asm/lanes/wasm.yaml --tag-header x-asm-prefer-tag --phase authn | kubectl apply -f -
`,
		"lanes file": `
tagproc render lanes deploy/samples/lanes/lanes.yaml | kubectl apply -f -
kubectl create configmap tagproc-rules -n istio-system --from-file=deploy/samples/lanes/rules.yaml --dry-run=client -o yaml | kubectl apply -f -
tagproc render envoyfilter --rules deploy/samples/lanes/rules.yaml | kubectl apply -f -
`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, "1", cluster.Options{NoGateway: true})
			w.run(t, sidecarGateway+sampleApps)
			// The overlay's rules would hide it if those above did not arrive.
			w.run(t, "kubectl apply -f deploy/samples/lanes/6-rules-0.yaml"+commands)
			w.sees(t, twentyPercent, jason)
		})
	}
}

// moving are rows for users; an edit of the rules moves some of them.
type moving struct {
	before, after []cluster.Row
	back          []cluster.Row // without a canary
}

// movingUsers decides for users with two rules files, as ConfigMaps have them. It
// returns users whom the second file moves to lane s2, and some others in both lanes.
func movingUsers(t *testing.T, before, after string) (m moving) {
	t.Helper()
	tables := [2]*rules.Table{load(t, before), load(t, after)}
	const each = 6 // users of a kind; thousands would say no more
	kinds := map[[2]string]int{}
	for i := range 100 {
		user := fmt.Sprintf("user-%d", i)
		kind := [2]string{lane(tables[0], user), lane(tables[1], user)}
		if kind == [2]string{"s2", "s1"} {
			t.Errorf("%s: %s takes %s out of the canary", after, before, user)
		}
		if kinds[kind]++; kinds[kind] <= each {
			m.before = append(m.before, laneRow(user, kind[0]))
			m.after = append(m.after, laneRow(user, kind[1]))
			m.back = append(m.back, laneRow(user, "s1"))
		}
	}
	for _, kind := range [][2]string{{"s1", "s1"}, {"s1", "s2"}, {"s2", "s2"}} {
		if kinds[kind] < each {
			t.Fatalf("of 100 users %d go from %s to %s, want %d at least", kinds[kind], kind[0], kind[1], each)
		}
	}
	return m
}

// laneRow is what a user in a lane gets before the promotion.
func laneRow(user, lane string) cluster.Row {
	versions := map[string]string{"mocka": "v1", "mockb": "v1", "mockc": "v1"}
	if lane == "s2" {
		versions["mockc"] = "v2"
	}
	return cluster.Row{User: user, Versions: versions, Tags: map[string]string{"x-asm-prefer-tag": lane}}
}

// load compiles the rules in the manifest of a ConfigMap.
func load(t *testing.T, file string) *rules.Table {
	t.Helper()
	var m corev1.ConfigMap
	if err := yaml.Unmarshal([]byte(read(t, file)), &m); err != nil {
		t.Fatal(err)
	}
	table, problems := rules.Load(file, []byte(m.Data["rules.yaml"]), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	return table
}

// lane is the only tag that rules give a user.
func lane(table *rules.Table, user string) string {
	request := table.NewRequest()
	request.SetKey(0, []byte(user))
	for _, d := range table.Match(request) {
		if d.Writes() {
			return table.Tags()[d.Tag].Value
		}
	}
	return ""
}
