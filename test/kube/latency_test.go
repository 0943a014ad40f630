package kube

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/machine"
	"github.com/tagproc/tagproc/test/kube/cluster"
	"github.com/tagproc/tagproc/test/kube/replica"
)

// live is the line of a replica's log that says that rules are live, and when.
var live = regexp.MustCompile(`time=(\S+) level=INFO msg="rules are live"`)

// TestLatency measures how long an edit of a ConfigMap takes from kubectl apply until each
// of three replicas decides by it, and how far the replicas are apart. With -full it makes
// 100 edits and prints a table; else it makes a few, and judges no time.
func TestLatency(t *testing.T) {
	edits := 3
	if *full {
		edits = 100
	} else {
		t.Parallel()
	}
	c := cluster.Start(t, cluster.Options{Programs: programs})
	c.MustKubectl(t, "", "create", "namespace", "shop")
	c.MustKubectl(t, configMap(t, "shop", "rules", rulesOf("v0")), "apply", "-f", "-")
	replicas := make([]*replica.Replica, 3)
	for i := range replicas {
		replicas[i] = serve(t, c.Kubeconfig, "configmap://shop/rules")
	}
	var last, spread []time.Duration
	for n := range edits + 1 {
		began := time.Now()
		if n > 0 {
			c.MustKubectl(t, configMap(t, "shop", "rules", rulesOf("v"+strconv.Itoa(n))), "apply", "-f", "-")
		}
		var when []time.Time
		for i, r := range replicas {
			replica.Eventually(t, fmt.Sprintf("replica %d: edit %d is live", i, n), func() error {
				lines := live.FindAllStringSubmatch(r.Log.String(), -1)
				if len(lines) <= n {
					return fmt.Errorf("%d of %d rules were live", len(lines), n+1)
				}
				at, err := time.Parse(time.RFC3339Nano, lines[n][1])
				when = append(when, at)
				return err
			})
		}
		if n > 0 { // the first is no edit
			last = append(last, slices.MaxFunc(when, time.Time.Compare).Sub(began))
			spread = append(spread, slices.MaxFunc(when, time.Time.Compare).Sub(slices.MinFunc(when, time.Time.Compare)))
		}
	}
	if !*full {
		return
	}
	fmt.Printf("\n%s, Kubernetes in test/kube, %d edits, 3 replicas:\n\n| | median | p99 | most |\n|---|---:|---:|---:|\n", machine.This(), edits)
	for _, row := range []struct {
		what  string
		limit time.Duration
		took  []time.Duration
	}{
		{"from `kubectl apply` to the last replica", time.Second, last},
		{"between the first and the last replica", 250 * time.Millisecond, spread},
	} {
		slices.Sort(row.took)
		p99 := row.took[len(row.took)*99/100-1]
		fmt.Printf("| %s | %d ms | %d ms | %d ms |\n", row.what, row.took[len(row.took)/2].Milliseconds(), p99.Milliseconds(), row.took[len(row.took)-1].Milliseconds())
		if p99 > row.limit {
			t.Errorf("%s: p99 is %v, want %v at most", row.what, p99, row.limit)
		}
	}
}
