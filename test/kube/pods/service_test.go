package pods

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// block returns a block of docs/deployment.md by its first line.
func block(t *testing.T, first string) string {
	t.Helper()
	page, err := os.ReadFile(root + "/docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```\\w+\n(" + regexp.QuoteMeta(first) + "\n.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatalf("docs/deployment.md has no block that begins with %q", first)
	}
	return string(m[1])
}

// hurry is the command of docs/kubernetes.md that has a kubelet bring an edit soon.
func hurry(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(root + "/docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("`(kubectl annotate pod [^`]*)`").FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/kubernetes.md has no kubectl annotate")
	}
	return string(m[1])
}

// pods returns the addresses of tagproc's pods that do not end, by name.
func (s *site) pods(t *testing.T) map[string]string {
	t.Helper()
	out := s.MustKubectl(t, "", "get", "pods", "-n", "istio-system", "-l", "app.kubernetes.io/name=tagproc",
		"-o", `jsonpath={range .items[?(@.status.phase=="Running")]}{.metadata.name} {.status.podIP} {.metadata.deletionTimestamp}{"\n"}{end}`)
	all := map[string]string{}
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) == 2 {
			all[words[0]] = words[1]
		}
	}
	return all
}

// oneUser leaves the user to the image, which has the same: a kubelet gives the token's
// file to the user that a pod names, and there is one user here.
const oneUser = `- target: {kind: Deployment, name: tagproc}
  patch: |
    - {op: remove, path: /spec/template/spec/securityContext/runAsUser}
`

// TestService installs the service form as docs/deployment.md does, edits the rules,
// restarts it, and has it watch its rules, while an Envoy asks it: no request is lost,
// and nobody gets another version than the rules say.
func TestService(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.run(t, "kubectl create namespace istio-system")
	rules, err := os.ReadFile(root + "/deploy/envoyfilter/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(percent int) {
		s.write(t, "rules.yaml", strings.Replace(string(rules), "range: 20 ", "range: "+strconv.Itoa(percent)+" ", 1))
	}
	edit(20)
	// As in Install, with the images that there are.
	kustomization := regexp.MustCompile(`(?m)^images:\n- .*\n`).ReplaceAllString(block(t, "# kustomization.yaml\nresources: [tagproc/deploy/kustomize/overlays/service]"), "")
	s.write(t, "kustomization.yaml", kustomization)
	install := block(t, "tagproc validate rules.yaml")
	before, _, ok := strings.Cut(install, "tagproc render ")
	if !ok {
		t.Fatalf("the block of Install is %q, want it to render the filter last", install)
	}
	s.run(t, before)
	eventually(t, "two pods, as the autoscaler wants", func() error {
		if n := len(s.pods(t)); n != 2 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	s.run(t, "kubectl rollout status -n istio-system deployment/tagproc --timeout="+limit.String())

	s.run(t, "kubectl create configmap envoy -n istio-system --from-file=tagproc/test/kube/pods/testdata/envoy.yaml && "+
		"kubectl apply --validate=strict -f tagproc/test/kube/pods/testdata/gateway.yaml && "+
		"kubectl wait --for=condition=Ready pod/gateway pod/s1 pod/s2 -n istio-system --timeout="+limit.String())
	gateway := s.run(t, "kubectl get pod gateway -n istio-system -o jsonpath={.status.podIP}") + ":10000"
	users := s.users(t, gateway)
	requests := startTraffic(t, gateway, users.stay)
	requests.more(t, 100)

	t.Log("an edit arrives by the volume, which is swapped")
	edit(60)
	s.run(t, "kubectl apply -k . && "+hurry(t))
	users.becomes(t, "s2")
	requests.more(t, 100)

	t.Log("a restart")
	old := s.pods(t)
	s.run(t, "kubectl rollout restart deployment/tagproc -n istio-system && kubectl rollout status deployment/tagproc -n istio-system --timeout="+limit.String())
	s.gone(t, old)
	requests.more(t, 100)

	t.Log("the rules are watched")
	s.write(t, "kustomization.yaml", strings.Replace(kustomization, "\npatches:\n", "\ncomponents: [tagproc/deploy/kustomize/components/watch]\npatches:\n"+oneUser, 1))
	old = s.pods(t)
	s.run(t, "kubectl apply -k . && kubectl rollout status deployment/tagproc -n istio-system --timeout="+limit.String())
	s.gone(t, old)
	for pod, address := range s.pods(t) {
		eventually(t, pod+" watches its rules", func() error { return watches(users.client, address) })
	}
	edit(20)
	s.run(t, "kubectl apply -k .")
	users.becomes(t, "s1")
	s.run(t, "tagproc rollout set configmap://istio-system/tagproc-rules s2=60%")
	users.becomes(t, "s2")
	if out, err := s.shell(t, "kubectl auth can-i list secrets -n istio-system --as=system:serviceaccount:istio-system:tagproc"); err == nil {
		t.Errorf("the account may list Secrets: %s", out)
	}
	requests.more(t, 100)
	requests.end(t)
}

// Users are by how they fare in an edit from 20% to 60% and back.
type users struct {
	client  *http.Client
	gateway string
	stay    map[string]string // version, by user
	move    []string          // from s1 to s2
}

// users asks which version users get at 20%, and sorts them.
func (s *site) users(t *testing.T, gateway string) *users {
	t.Helper()
	u := &users{client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: limit}, gateway: gateway, stay: map[string]string{}}
	explain := regexp.MustCompile(`bucket +(\d+)`)
	for n := range 40 {
		user := fmt.Sprintf("user-%d", n)
		out := s.run(t, "tagproc explain --rules rules.yaml -H 'x-user-id: "+user+"'")
		m := explain.FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("tagproc explain prints %q, want a bucket", out)
		}
		bucket, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		want := "s1"
		if bucket < 20 {
			want = "s2"
		}
		if bucket < 20 || bucket >= 60 {
			u.stay[user] = want
		} else {
			u.move = append(u.move, user)
		}
		eventually(t, user+" gets "+want, func() error {
			got, err := ask(u.client, gateway, user)
			if err == nil && got != want {
				err = fmt.Errorf("bucket %d gets %s", bucket, got)
			}
			return err
		})
	}
	if len(u.stay) < 2 || len(u.move) < 2 {
		t.Fatalf("%d users stay and %d move, want some of each", len(u.stay), len(u.move))
	}
	return u
}

// becomes waits until who moves gets a version from every replica: ten times in a row.
func (u *users) becomes(t *testing.T, want string) {
	t.Helper()
	eventually(t, "who moves gets "+want, func() error {
		for _, user := range slices.Concat(u.move, u.move) {
			got, err := ask(u.client, u.gateway, user)
			if err != nil {
				return err
			}
			if got != want {
				return errors.New(user + " gets " + got)
			}
		}
		return nil
	})
}

// watches returns an error unless a replica says that it watches its rules.
func watches(client *http.Client, address string) error {
	response, err := client.Get("http://" + address + ":9090/metrics")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && !strings.Contains(string(body), "\ntagproc_rules_watched 1\n") {
		err = errors.New("tagproc_rules_watched is not 1")
	}
	return err
}

// gone waits until pods that were there are not.
func (s *site) gone(t *testing.T, old map[string]string) {
	t.Helper()
	eventually(t, "the old pods are gone", func() error {
		out := s.MustKubectl(t, "", "get", "pods", "-n", "istio-system", "-o", "name")
		for name := range old {
			if strings.Contains(out, name) {
				return errors.New(name + " is there")
			}
		}
		return nil
	})
}
