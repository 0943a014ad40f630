package cluster

import (
	"fmt"
	"strings"
	"testing"
)

// A Kind is one that a controller of others brings into a cluster.
type Kind struct{ Group, Version, Name, Plural string }

// Define has the cluster take objects of kinds, whatever their content: what their
// controllers would say of it is not asked.
func (c *Cluster) Define(t testing.TB, kinds ...Kind) {
	t.Helper()
	var definitions strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&definitions, `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[4]s.%[1]s}
spec:
  group: %[1]s
  scope: Namespaced
  names: {kind: %[3]s, plural: %[4]s, singular: %[5]s}
  versions:
  - name: %[2]s
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`, k.Group, k.Version, k.Name, k.Plural, strings.ToLower(k.Name))
	}
	c.MustKubectl(t, definitions.String(), "apply", "-f", "-")
	c.MustKubectl(t, "", "wait", "--for=condition=Established", "crd", "--all", "--timeout="+limit.String())
}
