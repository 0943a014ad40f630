package install

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tagrules "github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/test/kube/cluster"
	"github.com/tagproc/tagproc/test/kube/replica"
)

// TestForms installs, upgrades, rolls back and uninstalls each form, with the rules as a
// value and in a ConfigMap that is there already.
func TestForms(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	c.MustKubectl(t, "", "create", "configmap", "mine", "-n", namespace, "--from-file=shop.yaml="+filepath.Join(c.dir, "rules.yaml"))
	for _, form := range []string{"service", "sidecar"} {
		for _, inline := range []bool{true, false} {
			release := fmt.Sprintf("tagproc-%s-%t", form, inline)
			from, to := "--set existingConfigMap=mine,existingConfigMapKey=shop.yaml", "--set image.tag=v2"
			if inline {
				from, to = "--set-file rules=rules.yaml", "--set-file rules=rules.yaml"
			}
			t.Run(release, func(t *testing.T) {
				c.write(t, "20")
				c.mustSh(t, "helm install "+release+" deploy/helm/tagproc -n istio-system --set form="+form+" "+from)
				all := c.left(t, release)
				if strings.Contains(all, "deployment") != (form == "service") || strings.Contains(all, "configmap/") != inline {
					t.Errorf("the objects are\n%s", all)
				}
				c.write(t, "25")
				c.mustSh(t, "helm upgrade "+release+" deploy/helm/tagproc -n istio-system --reuse-values "+to)
				if inline {
					if got := c.rulesIn(t, release+"-rules", "rules.yaml"); got != rules("25") {
						t.Errorf("after the upgrade the rules are\n%s", got)
					}
				}
				c.mustSh(t, "helm rollback "+release+" -n istio-system")
				if inline {
					if got := c.rulesIn(t, release+"-rules", "rules.yaml"); got != rules("20") {
						t.Errorf("after the rollback the rules are\n%s", got)
					}
				}
				c.mustSh(t, "helm uninstall "+release+" -n istio-system")
				if all := c.left(t, release); all != "" {
					t.Errorf("after helm uninstall there is\n%s", all)
				}
			})
		}
	}
	if got := c.rulesIn(t, "mine", "shop.yaml"); got != rules("20") {
		t.Errorf("the ConfigMap that was there has\n%s", got)
	}
}

// TestEdit has a replica watch the ConfigMap of a release, with the arguments and the account
// that the release gives it, and edits the rules by Helm and in the cluster.
func TestEdit(t *testing.T) {
	t.Parallel()
	for _, inline := range []bool{true, false} {
		t.Run(fmt.Sprintf("inline-%t", inline), func(t *testing.T) {
			t.Parallel()
			c := newClone(t)
			name, key, from := "tagproc-rules", "rules.yaml", "--set-file rules=rules.yaml"
			if !inline {
				name, key, from = "mine", "shop.yaml", "--set existingConfigMap=mine,existingConfigMapKey=shop.yaml"
				c.MustKubectl(t, "", "create", "configmap", name, "-n", namespace, "--from-file=shop.yaml="+filepath.Join(c.dir, "rules.yaml"), "--from-literal=other=x")
			}
			c.mustSh(t, "helm install tagproc deploy/helm/tagproc -n istio-system --set watch=true "+from)
			r := c.replica(t)
			has := func(percent string) {
				t.Helper()
				replica.Eventually(t, percent+"% have s2", func() error {
					ok, err := r.Admin.Serves([]byte(rules(percent)), tagrules.Options{})
					if err == nil && !ok {
						err = fmt.Errorf("other rules are live")
					}
					return err
				})
			}
			has("20")
			edit := "tagproc rollout set configmap://istio-system/" + name + " s2=30% --wait --addr unix://" + string(r.Admin) + " --timeout " + replica.Limit.String()
			if !inline {
				edit = strings.Replace(edit, name+" ", name+"/"+key+" ", 1)
			}
			if inline {
				c.write(t, "25")
				c.mustSh(t, "helm upgrade tagproc deploy/helm/tagproc -n istio-system --reuse-values --set-file rules=rules.yaml")
				has("25")
				c.mustSh(t, "helm rollback tagproc -n istio-system")
				has("20")
			}
			out := c.mustSh(t, edit)
			has("30")
			if told := strings.Contains(out, "Helm has written this ConfigMap, and may put its own rules in the place of these"); told != inline {
				t.Errorf("the edit says\n%s", out)
			}
			if got := c.rulesIn(t, name, key); got != rules("30") {
				t.Errorf("the ConfigMap has\n%s", got)
			}
			upgrade := "helm upgrade tagproc deploy/helm/tagproc -n istio-system --reuse-values --set image.tag=v2"
			if inline { // the release has other rules than the cluster
				c.refuses(t, upgrade, "using v1: .data.rules.yaml")
				has("30")
				c.write(t, "30")
				upgrade += " --set-file rules=rules.yaml"
			}
			c.mustSh(t, upgrade)
			has("30")
			if got := c.rulesIn(t, name, key); got != rules("30") {
				t.Errorf("after an upgrade the ConfigMap has\n%s", got)
			}
			c.mustSh(t, "helm uninstall tagproc -n istio-system")
		})
	}
}

// replica starts a replica with the arguments that the Deployment of the release gives its
// pods, and with their account.
func (c *clone) replica(t *testing.T) *replica.Replica {
	t.Helper()
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					ServiceAccountName           string
					AutomountServiceAccountToken *bool
					Containers                   []struct{ Args []string }
				}
			}
		}
	}
	c.object(t, "deployment/tagproc", &deployment)
	pod := deployment.Spec.Template.Spec
	if pod.AutomountServiceAccountToken == nil || !*pod.AutomountServiceAccountToken {
		t.Error("the pods have no token of their account")
	}
	args := slices.DeleteFunc(pod.Containers[0].Args, func(a string) bool {
		return a == "serve" || strings.HasPrefix(a, "--listen=") || strings.HasPrefix(a, "--admin=") || strings.HasPrefix(a, "--rules-fallback=") || strings.HasPrefix(a, "--drain-delay=")
	})
	token := strings.TrimSpace(c.MustKubectl(t, "", "create", "token", pod.ServiceAccountName, "-n", namespace))
	return replica.Serve(t, filepath.Join(bin, "tagproc"), append(args, "--kubeconfig="+c.KubeconfigFor(t, token))...)
}

// TestMonitoring installs the objects of the Prometheus Operator: without its kinds Helm says
// so, and nothing is there.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	const install = "helm install tagproc deploy/helm/tagproc -n istio-system --set-file rules=rules.yaml --set monitoring.podMonitor=true,monitoring.prometheusRule=true,monitoring.dashboard=true"
	c.refuses(t, install, `no matches for kind "PodMonitor" in version "monitoring.coreos.com/v1"`)
	if all := c.left(t, "tagproc"); all != "" {
		t.Errorf("after a refused install there is\n%s", all)
	}
	c.Define(t,
		cluster.Kind{Group: "monitoring.coreos.com", Version: "v1", Name: "PodMonitor", Plural: "podmonitors"},
		cluster.Kind{Group: "monitoring.coreos.com", Version: "v1", Name: "PrometheusRule", Plural: "prometheusrules"},
	)
	c.mustSh(t, install)
	c.MustKubectl(t, "", "get", "podmonitor/tagproc", "prometheusrule/tagproc", "configmap/tagproc-dashboard", "-n", namespace)
	c.mustSh(t, "helm uninstall tagproc -n istio-system")
	if all := strings.TrimSpace(c.MustKubectl(t, "", "get", "podmonitor,prometheusrule", "-n", namespace, "-o", "name")); all != "" {
		t.Errorf("after helm uninstall there is\n%s", all)
	}
}
