package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/test/kube/cluster"
	"github.com/tagproc/tagproc/test/kube/replica"
)

// commented are rules whose bytes an edit has to keep.
const commented = `# the canary of the week
tagHeaders: {headers: [x-tag]}
rules:
- name: checkout   # the only one
  header: x-user-id
  tagHeader: x-tag
  modulo: 100
  policies:
  - {range: 20, tagValue: "s2"} # a fifth
  - {range: 100, tagValue: 's1'}
`

// A shop is a cluster with a ConfigMap of rules, in the namespace shop.
type shop struct {
	*cluster.Cluster
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{cluster.Start(t, cluster.Options{Programs: programs})}
	s.MustKubectl(t, "", "create", "namespace", "shop")
	return s
}

// run runs tagproc as an administrator, or with another kubeconfig where args name one.
func (s *shop) run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tagproc, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig, "KUBERNETES_SERVICE_HOST=")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

func (s *shop) mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, said, err := s.run(t, args...)
	if err != nil {
		t.Fatalf("tagproc %q: %v\n%s%s", args, err, out, said)
	}
	return out
}

// refuses runs tagproc, which has to fail with words on standard error.
func (s *shop) refuses(t *testing.T, want string, args ...string) {
	t.Helper()
	out, said, err := s.run(t, args...)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(said, want) {
		t.Errorf("tagproc %q: %v, want exit code 1 and %q\n%s%s", args, err, want, out, said)
	}
}

// A stored is what the cluster has of a ConfigMap.
type stored struct {
	Metadata struct {
		ResourceVersion string
		Labels          map[string]string
	}
	Data map[string]string
}

func (s *shop) get(t *testing.T, name string) (o stored) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.MustKubectl(t, "", "get", "configmap", name, "-n", "shop", "-o", "json")), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestRollout edits rules in a ConfigMap by each verb, as a file with the same bytes, in
// each envelope: the text is the file's byte by byte, and the rest stays.
func TestRollout(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const inMap = "rules:\n  - {name: checkout, header: x-user-id, tagHeader: x-tag, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]} # here\n"
	for name, text := range map[string]string{
		"bare":       commented,
		"crlf":       strings.ReplaceAll(commented, "\n", "\r\n"),
		"without-lf": strings.TrimSuffix(commented, "\n"),
		"json":       `{"rules": [{"name": "checkout", "header": "x-user-id", "tagHeader": "x-tag", "policies": [{"range": 20, "tagValue": "s2"}, {"range": 100, "tagValue": "s1"}]}]}`,
		"wasmplugin": "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: é}\nspec:\n  url: oci://x # kept\n  pluginConfig:\n    " + strings.ReplaceAll(inMap, "\n  -", "\n      -"),
		"configmap":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rules}\ndata:\n  rules.yaml: |\n    " + strings.ReplaceAll(inMap, "\n  -", "\n      -"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object, err := json.Marshal(map[string]any{
				"apiVersion": "v1", "kind": "ConfigMap",
				"metadata": map[string]any{"namespace": "shop", "name": name, "labels": map[string]string{"team": "checkout"}},
				"data":     map[string]string{"shop.yaml": text, "other": "<untouched> & \u2028"},
			})
			if err != nil {
				t.Fatal(err)
			}
			s.MustKubectl(t, string(object), "create", "-f", "-")
			file, reference := filepath.Join(t.TempDir(), "rules.yaml"), "configmap://shop/"+name+"/shop.yaml"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, step := range [][]string{
				{"set", "", "s2=25%"},
				{"name", "", "s2", "bob", "0001"},
				{"unname", "", "bob"},
				{"shadow", "", "--allow-leaving"},
				{"enforce", ""},
				{"ramp", "", "s2", "50%@2126-12-01T09:00:00Z", "100%@+24h"},
				{"promote", "", "s2"},
				{"rollback", "", "s2"},
			} {
				edit := func(of string) {
					args := append([]string{"rollout"}, step...)
					args[2] = of
					s.mustRun(t, args...)
				}
				edit(file)
				edit(reference)
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				got := s.get(t, name)
				if inSameSecond(got.Data["shop.yaml"]) != inSameSecond(string(want)) {
					t.Fatalf("after %s the ConfigMap has\n%q\nwant\n%q", step[0], got.Data["shop.yaml"], want)
				}
				if err := os.WriteFile(file, []byte(got.Data["shop.yaml"]), 0o600); err != nil {
					t.Fatal(err)
				}
				if got.Data["other"] != "<untouched> & \u2028" || got.Metadata.Labels["team"] != "checkout" {
					t.Fatalf("after %s the rest is %q", step[0], got)
				}
			}
			before := s.get(t, name)
			out, said, err := s.run(t, "rollout", "set", reference, "s2=30%", "--dry-run")
			if err != nil || !strings.Contains(out, "\n+") || !strings.Contains(said, "not written (--dry-run)") {
				t.Errorf("--dry-run: %v\n%s%s", err, out, said)
			}
			if after := s.get(t, name); after.Metadata.ResourceVersion != before.Metadata.ResourceVersion {
				t.Error("--dry-run writes")
			}
			shown := strings.ReplaceAll(s.mustRun(t, "rollout", "show", reference), reference, "")
			if ofFile := strings.ReplaceAll(s.mustRun(t, "rollout", "show", file), file, ""); shown != ofFile {
				t.Errorf("show says\n%s\nand of the file\n%s", shown, ofFile)
			}
			s.mustRun(t, "diff", "--max-moving", "0%", reference, file)
			s.mustRun(t, "validate", reference)
			s.mustRun(t, "explain", "--rules", reference, "-H", "x-user-id: jack", "--want", "x-tag=s1")
		})
	}
}

// inSameSecond returns a text without the instant of the edit, which ramp writes.
func inSameSecond(text string) string {
	return regexp.MustCompile(`\b20\d\d-[-\dT:]+Z`).ReplaceAllString(text, "now")
}

// TestTwoEditors has somebody else edit the ConfigMap between what an edit reads and what it
// writes: it is told, and neither's edit is lost.
func TestTwoEditors(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.MustKubectl(t, configMap(t, "shop", "rules", commented), "apply", "-f", "-")
	const reference = "configmap://shop/rules"
	kubeconfig, meanwhile := s.between(t)
	kubectl := func(stdin string, args ...string) error {
		_, err := s.Kubectl(t.Context(), stdin, args...)
		return err
	}

	meanwhile <- func() error {
		_, _, err := s.run(t, "rollout", "name", reference, "s2", "bob")
		return err
	}
	s.refuses(t, "configmap://shop/rules/rules.yaml: the ConfigMap has changed meanwhile; nothing is written, so run the command again",
		"rollout", "name", reference, "s2", "ann", "--kubeconfig", kubeconfig)
	if text := s.get(t, "rules").Data["rules.yaml"]; !strings.Contains(text, "bob") || strings.Contains(text, "ann") {
		t.Errorf("after a conflict the ConfigMap has\n%s", text)
	}
	out := s.mustRun(t, "rollout", "name", reference, "s2", "ann", "--kubeconfig", kubeconfig)
	if text := s.get(t, "rules").Data["rules.yaml"]; !strings.Contains(text, "bob") || !strings.Contains(text, "ann") {
		t.Errorf("after the second try the ConfigMap has\n%s", text)
	}
	if want := "kubectl apply has written this ConfigMap, and may put its own rules in the place of these"; !strings.Contains(out, want) {
		t.Errorf("the edit does not say %q:\n%s", want, out)
	}

	was := s.get(t, "rules").Data["rules.yaml"]
	meanwhile <- func() error { return kubectl("", "label", "configmap", "rules", "-n", "shop", "team=checkout") }
	out, said, err := s.run(t, "rollout", "set", reference, "s2=30%", "--kubeconfig", kubeconfig, "-o", "json")
	var result struct {
		Written bool
		Refusal string
	}
	if jsonErr := json.Unmarshal([]byte(out), &result); err == nil || jsonErr != nil || result.Written || !strings.Contains(result.Refusal, "has changed meanwhile") {
		t.Errorf("a conflict as JSON: %v, %v\n%s%s", err, jsonErr, out, said)
	}
	meanwhile <- func() error { return kubectl("", "delete", "configmap", "rules", "-n", "shop") }
	s.refuses(t, "the ConfigMap has been deleted meanwhile; nothing is written", "rollout", "set", reference, "s2=30%", "--kubeconfig", kubeconfig)
	s.MustKubectl(t, configMap(t, "shop", "rules", was), "create", "-f", "-")
	object := configMap(t, "shop", "rules", was)
	meanwhile <- func() error {
		return errors.Join(kubectl("", "delete", "configmap", "rules", "-n", "shop"), kubectl(object, "create", "-f", "-"))
	}
	s.refuses(t, "has changed meanwhile", "rollout", "set", reference, "s2=30%", "--kubeconfig", kubeconfig)
	if text := s.get(t, "rules").Data["rules.yaml"]; text != was {
		t.Errorf("a ConfigMap that is made again has\n%s\nwant\n%s", text, was)
	}
}

// between returns a kubeconfig of an administrator, and what is to happen before the next
// edit by it reaches the API server.
func (s *shop) between(t *testing.T) (kubeconfig string, meanwhile chan<- func() error) {
	t.Helper()
	api, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(api)
	transport := s.Transport(t)
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport = transport
	next := make(chan func() error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch && len(next) > 0 {
			if err := (<-next)(); err != nil {
				t.Error(err)
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	text, err := os.ReadFile(s.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, bytes.ReplaceAll(text, []byte(s.URL), []byte(server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig, next
}

// TestRefusedEdit has the API server refuse edits: nothing changes, and what is said tells
// what to do.
func TestRefusedEdit(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.MustKubectl(t, configMap(t, "shop", "rules", commented), "create", "-f", "-")
	s.MustKubectl(t, `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "shop", "name": "fixed"}, "immutable": true, "data": {"a": "rules: [{header: a, tagHeader: b, policies: [{range: 20, tagValue: s2}]}]"}}`, "create", "-f", "-")
	const reference = "configmap://shop/rules"
	s.MustKubectl(t, "", "create", "serviceaccount", "reader", "-n", "shop")
	s.MustKubectl(t, "", "create", "role", "reader", "-n", "shop", "--verb=get,list,watch", "--resource=configmaps", "--resource-name=rules")
	s.MustKubectl(t, "", "create", "rolebinding", "reader", "-n", "shop", "--role=reader", "--serviceaccount=shop:reader")
	reader := s.KubeconfigFor(t, strings.TrimSpace(s.MustKubectl(t, "", "create", "token", "reader", "-n", "shop")))
	s.mustRun(t, "rollout", "show", reference, "--kubeconfig", reader)
	s.refuses(t, "permission denied: configmaps rules is forbidden", "rollout", "set", reference, "s2=25%", "--kubeconfig", reader)
	s.refuses(t, "give the account a Role with get, list and patch on the ConfigMap", "rollout", "set", reference, "s2=25%", "--kubeconfig", reader)
	s.refuses(t, "permission denied", "rollout", "show", "configmap://shop/fixed", "--kubeconfig", reader)
	s.refuses(t, "the API server does not accept the credentials", "rollout", "show", reference, "--kubeconfig", s.KubeconfigFor(t, "nobody"))
	s.refuses(t, "nothing is written: the API server answers 422: ", "rollout", "set", "configmap://shop/fixed", "s2=25%")
	s.refuses(t, "does not exist in the cluster", "rollout", "set", "configmap://shop/no", "s2=25%")
	s.refuses(t, "has no key x under data: put the rules there; its keys are: rules.yaml", "rollout", "set", reference+"/x", "s2=25%")
	s.refuses(t, "configmap://shop/rules/rules.yaml: users would lose s2", "rollout", "set", reference, "s2=10%")
	if text := s.get(t, "rules").Data["rules.yaml"]; text != commented {
		t.Errorf("the ConfigMap has\n%s", text)
	}
}

// TestWait edits a ConfigMap and waits until all replicas that watch it have the edit.
func TestWait(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.MustKubectl(t, configMap(t, "shop", "rules", commented), "create", "-f", "-")
	const reference = "configmap://shop/rules"
	wait := []string{"--wait", "--timeout", replica.Limit.String()}
	for range 3 {
		r := serve(t, s.Kubeconfig, reference)
		replica.Eventually(t, "the rules are live", func() error { return r.Says("/readyz", "ready") })
		wait = append(wait, "--addr", "unix://"+string(r.Admin))
	}
	out := s.mustRun(t, append([]string{"rollout", "set", reference, "s2=25%"}, wait...)...)
	if want := "3 of 3 agree on "; !strings.Contains(out, want) || !strings.Contains(out, ", the rules of configmap://shop/rules/rules.yaml\n") {
		t.Errorf("--wait does not say %q:\n%s", want, out)
	}
	out = s.mustRun(t, append([]string{"rollout", "rollback", reference, "-o", "json"}, wait...)...)
	var result struct {
		Written  bool
		After    string `json:"digestAfter"`
		Replicas struct {
			Agree    bool
			Digest   string
			Replicas []struct{ State struct{ Digest string } }
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if !result.Written || !result.Replicas.Agree || result.Replicas.Digest != result.After || len(result.Replicas.Replicas) != 3 {
		t.Errorf("--wait -o json says\n%s", out)
	}
	for _, r := range result.Replicas.Replicas {
		if r.State.Digest != result.After {
			t.Errorf("a replica has %s, want %s", r.State.Digest, result.After)
		}
	}
	nowhere := "unix://" + filepath.Join(t.TempDir(), "nobody")
	s.refuses(t, "they do not agree within 100ms", append([]string{"rollout", "set", reference, "s2=30%", "--addr", nowhere}, "--wait", "--timeout", "100ms")...)
	s.refuses(t, "configmap://shop/rules/rules.yaml: the edit is so already, and not all replicas have it; to wait on: tagproc status --rules configmap://shop/rules/rules.yaml --watch ADDR",
		append([]string{"rollout", "set", reference, "s2=30%", "--addr", nowhere}, "--wait", "--timeout", "100ms")...)
	s.mustRun(t, append([]string{"status", "--watch", "--rules", reference, "--timeout", replica.Limit.String()}, addresses(wait)...)...)
}

// addresses returns the values of --addr.
func addresses(args []string) (addresses []string) {
	for i, a := range args {
		if a == "--addr" {
			addresses = append(addresses, args[i+1])
		}
	}
	return addresses
}
