package kube

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/tagproc/tagproc/test/kube/cluster"
	"github.com/tagproc/tagproc/test/kube/replica"
)

// rulesOf has everybody get a tag.
func rulesOf(tag string) string {
	return "rules:\n- {header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 100, tagValue: " + tag + "}]}\n"
}

// configMap returns a ConfigMap with a text.
func configMap(t *testing.T, namespace, name, text string) string {
	t.Helper()
	object, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"namespace": namespace, "name": name},
		"data": map[string]string{"rules.yaml": text},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(object)
}

// TestWatch has replicas take their rules from a ConfigMap of a real API server: an edit,
// a refused edit, a ConfigMap that is deleted, and an API server that is killed.
func TestWatch(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Programs: programs})
	c.MustKubectl(t, "", "create", "namespace", "shop")
	apply := func(text string) {
		t.Helper()
		c.MustKubectl(t, configMap(t, "shop", "rules", text), "apply", "-f", "-")
	}
	apply(rulesOf("s1"))
	replicas := make([]*replica.Replica, 3)
	for i := range replicas {
		replicas[i] = serve(t, c.Kubeconfig, "configmap://shop/rules")
	}
	all := func(what string, condition func(r *replica.Replica) error) {
		t.Helper()
		for i, r := range replicas {
			replica.Eventually(t, fmt.Sprintf("replica %d: %s", i, what), func() error { return condition(r) })
		}
	}
	decides := func(tag string) func(r *replica.Replica) error {
		return func(r *replica.Replica) error { return r.Says("/state", `"tag":"`+tag+`"`) }
	}
	gauge := func(want float64) func(r *replica.Replica) error {
		return func(r *replica.Replica) error {
			n, err := r.Admin.Metric("tagproc_config_last_reload_successful")
			if err == nil && n != want {
				err = fmt.Errorf("the gauge is %v, want %v", n, want)
			}
			return err
		}
	}
	all("the first rules", decides("s1"))
	apply(rulesOf("s2"))
	all("an edit", decides("s2"))
	apply("rules: [")
	all("a refused edit", gauge(0))
	all("the last good rules after a refused edit", decides("s2"))
	apply(rulesOf("s3"))
	all("the edit after a refused one", decides("s3"))
	all("the edit after a refused one", gauge(1))
	c.MustKubectl(t, "", "delete", "configmap", "rules", "-n", "shop")
	all("a ConfigMap that is deleted", gauge(0))
	all("the last good rules of a ConfigMap that is deleted", decides("s3"))
	apply(rulesOf("s4"))
	all("a ConfigMap that is made again", decides("s4"))
	c.KillAPI(t)
	all("an API server that is killed", gauge(0))
	all("the last good rules without an API server", decides("s4"))
	c.StartAPI(t)
	apply(rulesOf("s5"))
	all("an API server that is there again", decides("s5"))
	all("an API server that is there again", gauge(1))
}

// serve starts a replica whose rules are in a ConfigMap.
func serve(t *testing.T, kubeconfig, reference string, more ...string) *replica.Replica {
	t.Helper()
	return replica.Serve(t, tagproc, append([]string{"--rules", reference, "--kubeconfig", kubeconfig}, more...)...)
}
