package kube

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/test/kube/cluster"
	"github.com/tagproc/tagproc/test/kube/replica"
)

// TestAccount has a replica watch with an account of its own: without a right it starts with
// the fallback file and says what it lacks; with the Role of deploy/kustomize it follows
// the ConfigMap, and refused rules are an Event.
func TestAccount(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Programs: programs})
	const namespace, reference = "istio-system", "configmap://istio-system/tagproc-rules"
	c.MustKubectl(t, "", "create", "namespace", namespace)
	c.MustKubectl(t, "", "create", "serviceaccount", "tagproc", "-n", namespace)
	apply := func(text string) {
		t.Helper()
		c.MustKubectl(t, configMap(t, namespace, "tagproc-rules", text), "apply", "-f", "-")
	}
	apply(rulesOf("s1"))
	fallback := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(fallback, []byte(rulesOf("s0")), 0o600); err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(c.MustKubectl(t, "", "create", "token", "tagproc", "-n", namespace))
	r := serve(t, c.KubeconfigFor(t, token), reference, "--rules-fallback", fallback)
	replica.Eventually(t, "the rules of the fallback file", func() error { return r.Says("/state", `"tag":"s0"`) })
	replica.Eventually(t, "what the account lacks", func() error {
		for _, want := range []string{"User system:serviceaccount:istio-system:tagproc cannot list resource configmaps", "give the account a Role with get, list and watch on the ConfigMap"} {
			if log := r.Log.String(); !strings.Contains(log, want) {
				return errors.New("no " + want + " in the log")
			}
		}
		return nil
	})
	for _, file := range []string{"role.yaml", "rolebinding.yaml"} {
		c.MustKubectl(t, "", "apply", "--validate=strict", "-f", root+"/deploy/kustomize/components/watch/"+file)
	}
	replica.Eventually(t, "the rules of the ConfigMap", func() error { return r.Says("/state", `"tag":"s1"`) })
	apply(rulesOf("s2"))
	replica.Eventually(t, "an edit", func() error { return r.Says("/state", `"tag":"s2"`) })
	apply("rules: [")
	replica.Eventually(t, "an Event", func() error {
		said, err := c.Kubectl(t.Context(), "", "describe", "configmap", "tagproc-rules", "-n", namespace)
		if err == nil && !strings.Contains(said, "tagproc refuses these rules; the last good ones stay live") {
			err = errors.New(said)
		}
		return err
	})
	if other, err := c.Kubectl(t.Context(), "", "auth", "can-i", "list", "secrets", "-n", namespace, "--as=system:serviceaccount:"+namespace+":tagproc"); err == nil {
		t.Errorf("the account may list Secrets: %s", other)
	}
}
