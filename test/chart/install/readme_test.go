package install

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadme runs the commands of the chart's README in their order.
func TestReadme(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(root + "/deploy/helm/tagproc/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks [][]string // of commands
	for i, block := range strings.Split(string(page), "```") {
		if text, isShell := strings.CutPrefix(block, "sh\n"); i%2 == 1 && isShell {
			text = strings.ReplaceAll(text, "\\\n", "")
			blocks = append(blocks, strings.Split(strings.TrimSpace(text), "\n"))
		}
	}
	if len(blocks) != 5 {
		t.Fatalf("the README has %d blocks of commands, want those of the install, of an edit, of an edit in the cluster, of the end, and of the gateway", len(blocks))
	}
	c := newClone(t)
	c.keepReady(t)
	run := func(block int, check map[string]func()) {
		t.Helper()
		for _, command := range blocks[block] {
			t.Logf("%s\n%s", command, c.mustSh(t, command))
			for begin, f := range check {
				if strings.HasPrefix(command, begin) {
					delete(check, begin)
					f()
				}
			}
		}
		for begin := range check {
			t.Errorf("block %d of the README has no command %q", block, begin)
		}
	}
	has := func(percent string) func() {
		return func() {
			t.Helper()
			if got := c.rulesIn(t, "tagproc-rules", "rules.yaml"); got != rules(percent) {
				t.Errorf("the ConfigMap has\n%s\nwant %s%% for s2", got, percent)
			}
		}
	}
	run(0, map[string]func(){"helm install": has("20"), "helm upgrade": func() { c.MustKubectl(t, "", "get", "envoyfilter", "tagproc", "-n", namespace) }})
	pods := c.template(t)
	c.write(t, "25")
	run(1, map[string]func(){"helm upgrade": has("25"), "helm rollback": has("20")})
	if got := c.template(t); got != pods {
		t.Errorf("an edit of the rules makes the pods\n%s\nof\n%s\nso they restart", got, pods)
	}
	c.write(t, "20")
	run(2, map[string]func(){"tagproc rollout": func() {
		if got := c.rulesIn(t, "shop-rules", "rules.yaml"); got != rules("25") {
			t.Errorf("after the edit in the cluster the ConfigMap has\n%s", got)
		}
	}})
	run(3, map[string]func(){"helm upgrade": func() {
		if all := c.left(t, "tagproc"); strings.Contains(all, "envoyfilter") {
			t.Errorf("the filter is still there:\n%s", all)
		}
	}})
	if all := c.left(t, "tagproc"); all != "" {
		t.Errorf("after helm uninstall there is\n%s", all)
	}

	if err := os.Mkdir(filepath.Join(c.dir, "istio"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(istio(t), "manifests", "charts", "gateway"), filepath.Join(c.dir, "istio", "gateway")); err != nil {
		t.Fatal(err)
	}
	c.mustSh(t, "helm install istio-ingressgateway istio/gateway -n istio-system --set labels.istio=ingressgateway")
	c.mustSh(t, "helm install tagproc deploy/helm/tagproc -n istio-system --set form=sidecar --set-file rules=rules.yaml")
	run(4, nil)
	var gateway struct {
		Spec struct {
			Template struct {
				Spec struct {
					InitContainers []struct {
						Name string
						Args []string
					}
				}
			}
		}
	}
	c.object(t, "deployment/istio-ingressgateway", &gateway)
	if in := gateway.Spec.Template.Spec.InitContainers; len(in) != 1 || in[0].Name != "tagproc" || in[0].Args[0] != "serve" {
		t.Errorf("the gateway has the init containers %+v, want tagproc", in)
	}
}

// template returns the pods of the Deployment of tagproc.
func (c *clone) template(t *testing.T) string {
	t.Helper()
	return c.MustKubectl(t, "", "get", "deployment", "tagproc", "-n", namespace, "-o", "jsonpath={.spec.template}")
}

// istio returns the directory of Istio's module, which the tests of test/istio pin.
func istio(t *testing.T) string {
	t.Helper()
	for _, args := range [][]string{{"mod", "download", "istio.io/istio"}, {"list", "-m", "-f", "{{.Dir}}", "istio.io/istio"}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = root + "/test/istio"
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %q: %v", args, err)
		}
		if args[0] == "list" {
			return strings.TrimSpace(string(out))
		}
	}
	return ""
}

// keepReady has the pods of the cluster be ready, as a node would, until the test ends.
func (c *clone) keepReady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; sleep(ctx, 200*time.Millisecond) {
			pods, err := c.Kubectl(ctx, "", "get", "pods", "-n", namespace, "-o", `jsonpath={range .items[?(@.status.phase=="Pending")]}{.metadata.name}{"\n"}{end}`)
			if err != nil {
				continue
			}
			for pod := range strings.FieldsSeq(pods) {
				_, _ = c.Kubectl(ctx, "", "patch", "pod", pod, "-n", namespace, "--subresource=status", "--type=merge", // it may have gone
					"-p", `{"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}`)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
