package kube

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/test/kube/cluster"
)

// limit bounds every wait for a condition.
const limit = 2 * time.Minute

// eventually waits until condition returns nil.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = condition(); err == nil {
			return
		}
	}
	t.Fatalf("waited %v in vain: %s: %v", limit, what, err)
}

// kinds are definitions of the kinds that Istio has, whose content nobody checks.
func kinds() string {
	var out strings.Builder
	for _, kind := range []struct{ group, version, name, plural string }{
		{"networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"},
		{"gateway.envoyproxy.io", "v1alpha1", "EnvoyExtensionPolicy", "envoyextensionpolicies"},
	} {
		out.WriteString(`---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ` + kind.plural + "." + kind.group + `}
spec:
  group: ` + kind.group + `
  scope: Namespaced
  names: {kind: ` + kind.name + `, plural: ` + kind.plural + `, singular: ` + strings.ToLower(kind.name) + `}
  versions:
  - name: ` + kind.version + `
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
	}
	return out.String()
}

// TestApply applies what deploy has and what render prints with the real kubectl, and
// waits until a Deployment has its pods, which no node runs.
func TestApply(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Programs: programs, ControllerManager: true})
	c.MustKubectl(t, "", "create", "namespace", "istio-system")
	c.MustKubectl(t, kinds(), "apply", "-f", "-")
	c.MustKubectl(t, "", "wait", "--for=condition=Established", "crd", "--all", "--timeout="+limit.String())

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
	eventually(t, "the Deployment has a pod, with the account of the service form", func() error {
		_, err := c.Kubectl(t.Context(), "", "wait", "pod", "-n", "istio-system", "-l", "app.kubernetes.io/name=tagproc",
			"--for=jsonpath={.spec.serviceAccountName}=tagproc", "--timeout=1s")
		return err
	})
}
