package kube

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/test/kube/cluster"
	"github.com/tagproc/tagproc/test/kube/replica"
)

// TestApply applies what deploy has and what render prints with the real kubectl, and
// waits until a Deployment has its pods, which no node runs.
func TestApply(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Programs: programs, ControllerManager: true})
	c.MustKubectl(t, "", "create", "namespace", "istio-system")
	c.Define(t,
		cluster.Kind{Group: "networking.istio.io", Version: "v1alpha3", Name: "EnvoyFilter", Plural: "envoyfilters"},
		cluster.Kind{Group: "gateway.envoyproxy.io", Version: "v1alpha1", Name: "EnvoyExtensionPolicy", Plural: "envoyextensionpolicies"},
	)

	render := exec.Command(tagproc, "render", "envoyfilter", "--rules", root+"/deploy/envoyfilter/rules.yaml")
	rendered, err := render.Output()
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	for _, step := range []struct {
		name, stdin string
		args        []string
	}{
		{"service form", "", []string{"-k", root + "/deploy/kustomize/overlays/service"}},
		{"its EnvoyFilter", "", []string{"-f", root + "/deploy/envoyfilter/service.yaml"}},
		{"what render prints", string(rendered), []string{"-f", "-"}},
	} {
		out := c.MustKubectl(t, step.stdin, append([]string{"apply", "--validate=strict"}, step.args...)...)
		if again := c.MustKubectl(t, step.stdin, append([]string{"apply"}, step.args...)...); strings.Contains(again, "created") {
			t.Errorf("%s: applied again it makes objects:\n%s", step.name, again)
		}
		t.Logf("%s:\n%s", step.name, out)
	}

	rules, err := os.ReadFile(root + "/deploy/envoyfilter/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Data map[string]string }
	if err := json.Unmarshal([]byte(c.MustKubectl(t, "", "get", "configmap", "tagproc-rules", "-n", "istio-system", "-o", "json")), &object); err != nil {
		t.Fatal(err)
	}
	if object.Data["rules.yaml"] != string(rules) {
		t.Errorf("the ConfigMap has the rules\n%s\nwant\n%s", object.Data["rules.yaml"], rules)
	}
	replica.Eventually(t, "the Deployment has a pod, with the account of the service form", func() error {
		_, err := c.Kubectl(t.Context(), "", "wait", "pod", "-n", "istio-system", "-l", "app.kubernetes.io/name=tagproc",
			"--for=jsonpath={.spec.serviceAccountName}=tagproc", "--timeout=1s")
		return err
	})
}
