package istio

import (
	"testing"

	"github.com/tagproc/tagproc/test/istio/cluster"
)

// TestStrict checks that in strict mode requests stay in the lane of their tag through
// the whole chain, and do so too where an application does not forward the tag.
func TestStrict(t *testing.T) {
	t.Parallel()
	w := begin(t, "1", cluster.Options{NoGateway: true})
	w.run(t, sidecarGateway+sampleApps+`
kubectl apply -f deploy/samples/lanes/4-rules.yaml -f deploy/envoyfilter/sidecar.yaml
`)
	w.ApplyFile(t, "testdata/strict/apps.yaml")
	w.RolloutAll(t)
	strict := w.NewShell(t, "testdata/strict")
	strict.Run(t, "tagproc render lanes lanes.yaml | kubectl apply -f -")

	// 20% by the hash, and nobody is named: jason's tag is s1.
	lanes := map[string]string{"jason": "s1", "bob": "s1", "jessie": "s2", "jack": "s2", "": ""}
	rows := func(forwarded bool) (rows []cluster.Row) {
		for user, lane := range lanes {
			version := "v1"
			if lane == "s2" {
				version = "v2"
			}
			row := cluster.Row{User: user, Versions: map[string]string{"mocka": version, "mockb": version, "mockc": version}}
			if row.Tags = map[string]string{}; lane != "" && forwarded {
				row.Tags["x-asm-prefer-tag"] = lane
			}
			rows = append(rows, row)
		}
		return rows
	}
	w.Expect(t, rows(true)...)
	strict.Run(t, "kubectl apply -f forgetful.yaml")
	w.Expect(t, rows(false)...)
}
