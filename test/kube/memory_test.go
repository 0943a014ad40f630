package kube

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tagproc/tagproc/internal/machine"
	"github.com/tagproc/tagproc/test/kube/cluster"
	"github.com/tagproc/tagproc/test/kube/replica"
)

// TestMemory measures with -full what the watch costs: the memory of a replica whose rules are
// in a ConfigMap, beside that of one whose rules are in a file. Else it starts one of each, and
// judges nothing.
func TestMemory(t *testing.T) {
	starts := 1
	if *full {
		starts = 9
	} else {
		t.Parallel()
	}
	c := cluster.Start(t, cluster.Options{Programs: programs})
	c.MustKubectl(t, "", "create", "namespace", "shop")
	c.MustKubectl(t, configMap(t, "shop", "rules", rulesOf("v0")), "create", "-f", "-")
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(rulesOf("v0")), 0o600); err != nil {
		t.Fatal(err)
	}
	ofFile := resident(t, starts, func() *replica.Replica { return replica.Serve(t, tagproc, "--rules", file) })
	watching := resident(t, starts, func() *replica.Replica { return serve(t, c.Kubeconfig, "configmap://shop/rules") })
	if *full {
		fmt.Printf("\n%s, median of %d:\n\n| | rules of a file | of a ConfigMap |\n|---|---:|---:|\n| memory of a replica without requests (RSS) | %.1f MiB | %.1f MiB |\n", machine.This(), starts, ofFile, watching)
	}
}

// resident returns the memory of a replica after its start in MiB, as the median of some.
func resident(t *testing.T, starts int, start func() *replica.Replica) float64 {
	t.Helper()
	var took []float64
	for range starts {
		r := start()
		var bytes float64
		replica.Eventually(t, "the rules are live", func() (err error) {
			if err = r.Says("/readyz", "ready"); err == nil {
				bytes, err = r.Admin.Metric("process_resident_memory_bytes")
			}
			return err
		})
		took = append(took, bytes/(1<<20))
	}
	slices.Sort(took)
	return took[starts/2]
}
