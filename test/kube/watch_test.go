package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/test/kube/cluster"
)

// rulesOf has everybody get a tag.
func rulesOf(tag string) string {
	return "rules:\n- {header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 100, tagValue: " + tag + "}]}\n"
}

// configMap returns a ConfigMap with a text.
func configMap(t *testing.T, namespace, name, text string) string {
	t.Helper()
	object, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"namespace": namespace, "name": name},
		"data": map[string]string{"rules.yaml": text},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(object)
}

// TestWatch has replicas take their rules from a ConfigMap of a real API server: an edit,
// a refused edit, a ConfigMap that is deleted, and an API server that is killed.
func TestWatch(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Programs: programs})
	c.MustKubectl(t, "", "create", "namespace", "shop")
	apply := func(text string) {
		t.Helper()
		c.MustKubectl(t, configMap(t, "shop", "rules", text), "apply", "-f", "-")
	}
	apply(rulesOf("s1"))
	replicas := make([]*replica, 3)
	for i := range replicas {
		replicas[i] = serve(t, c.Kubeconfig, "configmap://shop/rules")
	}
	all := func(what string, condition func(r *replica) error) {
		t.Helper()
		for i, r := range replicas {
			eventually(t, fmt.Sprintf("replica %d: %s", i, what), func() error { return condition(r) })
		}
	}
	decides := func(tag string) func(r *replica) error {
		return func(r *replica) error { return r.says("/state", `"tag":"`+tag+`"`) }
	}
	gauge := func(want float64) func(r *replica) error {
		return func(r *replica) error {
			n, err := r.admin.Metric("tagproc_config_last_reload_successful")
			if err == nil && n != want {
				err = fmt.Errorf("the gauge is %v, want %v", n, want)
			}
			return err
		}
	}
	all("the first rules", decides("s1"))
	apply(rulesOf("s2"))
	all("an edit", decides("s2"))
	apply("rules: [")
	all("a refused edit", gauge(0))
	all("the last good rules after a refused edit", decides("s2"))
	apply(rulesOf("s3"))
	all("the edit after a refused one", decides("s3"))
	all("the edit after a refused one", gauge(1))
	c.MustKubectl(t, "", "delete", "configmap", "rules", "-n", "shop")
	all("a ConfigMap that is deleted", gauge(0))
	all("the last good rules of a ConfigMap that is deleted", decides("s3"))
	apply(rulesOf("s4"))
	all("a ConfigMap that is made again", decides("s4"))
	c.KillAPI(t)
	all("an API server that is killed", gauge(0))
	all("the last good rules without an API server", decides("s4"))
	c.StartAPI(t)
	apply(rulesOf("s5"))
	all("an API server that is there again", decides("s5"))
	all("an API server that is there again", gauge(1))
}

// A replica is a tagproc whose rules are in a ConfigMap.
type replica struct {
	admin program.Admin
	log   *transcript.Transcript
}

func (r *replica) says(path, want string) error {
	body, err := r.admin.Get(path)
	if err == nil && !strings.Contains(body, want) {
		err = errors.New(path + " has no " + want)
	}
	return err
}

// serve starts a replica, which ends with the test.
func serve(t *testing.T, kubeconfig, reference string, more ...string) *replica {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	cmd := exec.Command(tagproc, append([]string{"serve", "--rules", reference, "--kubeconfig", kubeconfig, "--listen", "127.0.0.1:0", "--admin", "unix://" + socket}, more...)...)
	log := &transcript.Transcript{}
	cmd.Stdout, cmd.Stderr = log, log
	done, err := child.Start(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Errorf("tagproc has ended: %v", cmd.ProcessState)
		}
		<-done
		if t.Failed() {
			t.Logf("the log of tagproc:\n%s", log.String())
		}
	})
	return &replica{program.Admin(socket), log}
}
