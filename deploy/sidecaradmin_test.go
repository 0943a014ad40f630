package deploy

import (
	"os"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestSidecarAdmin checks that the NetworkPolicy of the sidecar form leaves every
// port of the gateway open, except tagproc's admin port, which it opens only to
// Prometheus.
func TestSidecarAdmin(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("kustomize/components/sidecar-admin/networkpolicy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Spec struct {
			PolicyTypes []string `yaml:"policyTypes"`
			Ingress     []struct {
				From  []any
				Ports []struct {
					Protocol string
					Port     int
					EndPort  int `yaml:"endPort"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &policy); err != nil {
		t.Fatal(err)
	}
	const admin = 9090
	for port := 1; port <= 65535; port++ {
		for _, protocol := range []string{"TCP", "UDP"} {
			anybody, some := false, false
			for _, rule := range policy.Spec.Ingress {
				for _, p := range rule.Ports {
					if p.Protocol == protocol && p.Port <= port && port <= max(p.Port, p.EndPort) {
						anybody = anybody || len(rule.From) == 0
						some = some || len(rule.From) > 0
					}
				}
			}
			if isAdmin := port == admin && protocol == "TCP"; anybody == isAdmin || some != isAdmin {
				t.Fatalf("%s %d: open to everybody %v, to some %v", protocol, port, anybody, some)
			}
		}
	}
	if len(policy.Spec.PolicyTypes) != 1 || policy.Spec.PolicyTypes[0] != "Ingress" {
		t.Errorf("policyTypes = %v, want Ingress alone", policy.Spec.PolicyTypes)
	}
}
