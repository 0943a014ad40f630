package istio

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// read returns the content of a file.
func read(t testing.TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var (
	baseline = map[string]string{"front": "v1", "back": "v1"}
	canary   = map[string]string{"front": "v1", "back": "v2"}
	untagged = map[string]string{}
	tagged   = map[string]string{"appver-back": "v2"}
)

// smoke runs the chain of testdata/smoke, with tagproc, whose rules tag nobody.
func smoke(t testing.TB, o cluster.Options) *cluster.Cluster {
	t.Helper()
	c := cluster.Start(t, o)
	c.ApplyFile(t, "testdata/smoke/apps.yaml", "testdata/smoke/routes.yaml", "testdata/smoke/tagproc.yaml")
	c.RolloutAll(t)
	return c
}

// TestCluster checks that the cluster that the other tests run on does what it says.
func TestCluster(t *testing.T) {
	t.Parallel()
	for _, release := range envoy.Versions() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			c := smoke(t, cluster.Options{Envoy: release})

			// Without tagproc the client's tag decides.
			forged := map[string]string{"appver-back": "v2"}
			c.Expect(t,
				cluster.Row{User: "jack", Versions: baseline, Tags: untagged},
				cluster.Row{User: "jack", Header: forged, Versions: canary, Tags: tagged},
			)

			filter := read(t, "testdata/smoke/envoyfilter.yaml")
			c.Apply(t, filter)
			c.Expect(t,
				cluster.Row{User: "jack", Versions: baseline, Tags: untagged},
				cluster.Row{User: "jack", Header: forged, Versions: baseline, Tags: untagged},
			)

			rules, _, _ := strings.Cut(read(t, "testdata/smoke/tagproc.yaml"), "---")
			c.Apply(t, strings.Replace(rules, "range: 0", "range: 20", 1))
			c.Expect(t,
				cluster.Row{User: "jack", Versions: canary, Tags: tagged},
				cluster.Row{User: "bob", Versions: baseline, Tags: untagged},
			)

			up := c.Down(t, cluster.SystemNamespace, "istio-ingressgateway", "tagproc")
			c.Expect(t, cluster.Row{User: "jack", Versions: baseline, Tags: untagged})
			up()
			c.Expect(t, cluster.Row{User: "jack", Versions: canary, Tags: tagged})

			c.Delete(t, filter)
			c.Expect(t,
				cluster.Row{User: "jack", Versions: baseline, Tags: untagged},
				cluster.Row{User: "jack", Header: forged, Versions: canary, Tags: tagged},
			)
		})
	}
}

// TestMistakes checks that the cluster sees what goes wrong.
func TestMistakes(t *testing.T) {
	t.Parallel()
	filter := read(t, "testdata/smoke/envoyfilter.yaml")
	for _, tt := range []struct {
		name     string
		old, new string // in the EnvoyFilter
		refused  bool   // by Envoy
		want     string
	}{
		{"a cluster that there is not", "envoy_grpc: {cluster_name: tagproc}", "envoy_grpc: {cluster_name: nobody}", false, "answered"},
		{"a field that there is not", "failure_mode_allow", "failure_mode_alow", false, "unknown field"},
		{"a value that Envoy refuses", "failure_mode_allow: true", "message_timeout: -1s", true, "update_rejected is 1, want 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			said := cluster.Fails(t, func(t testing.TB) {
				t.Helper()
				c := smoke(t, cluster.Options{})
				rules, _, _ := strings.Cut(read(t, "testdata/smoke/tagproc.yaml"), "---")
				c.Apply(t, strings.Replace(rules, "range: 0", "range: 20", 1), strings.Replace(filter, tt.old, tt.new, 1))
				if tt.refused {
					c.Eventually(t, "a refusal", func() error {
						if c.Refusals() == nil {
							return errors.New("no Envoy has refused anything")
						}
						return nil
					})
				}
				if err := cluster.Within(5*time.Second, func() error {
					return c.Check(t, cluster.Row{User: "jack", Versions: canary})
				}); err != nil {
					t.Fatal(err)
				}
			})
			if !strings.Contains(said, tt.want) {
				t.Errorf("it said %s\nwant %q", said, tt.want)
			}
		})
	}
}

// TestValidate checks that the manifests of the smoke test have nothing wrong that can
// be seen without running them.
func TestValidate(t *testing.T) {
	t.Parallel()
	all := []string{cluster.GatewayManifests()}
	for _, name := range []string{"apps", "routes", "envoyfilter"} {
		all = append(all, read(t, "testdata/smoke/"+name+".yaml"))
	}
	if err := cluster.Validate(all...); err != nil {
		t.Error(err)
	}
	if err := cluster.Analyze(all); err != nil {
		t.Error(err)
	}
	all[2] = strings.Replace(all[2], "subset: v2", "subset: v3", 1)
	if err := cluster.Analyze(all); err == nil {
		t.Error("Analyze said nothing of a subset that is missing")
	}
}
