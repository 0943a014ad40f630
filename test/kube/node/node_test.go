package node

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tagproc/tagproc/test/kube/cluster"
)

// root is the directory of the product's module.
const root = "../../.."

// limit bounds every wait for a condition.
const limit = 4 * time.Minute

func TestMain(m *testing.M) {
	os.Exit(Main(m, func(dir string) error {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "guest"), "./internal/cmd/guest")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("couldn't build the guest: %w\n%s", err, out)
		}
		_, err := cluster.Build(root)
		return err
	}))
}

// eventually waits until condition returns nil.
func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	cluster.Eventually(t, limit, what, condition)
}

// A site is a cluster with a node.
type site struct {
	*cluster.Cluster
}

// apply makes a namespace of the test's own, with objects.
func (s *site) apply(t *testing.T, objects string) (namespace string) {
	t.Helper()
	namespace = strings.ToLower(t.Name()[strings.LastIndexByte(t.Name(), '/')+1:])
	s.MustKubectl(t, "", "create", "namespace", namespace)
	eventually(t, "the namespace has an account", func() error {
		_, err := s.Kubectl(t.Context(), "", "get", "serviceaccount", "default", "-n", namespace)
		return err
	})
	s.MustKubectl(t, objects, "apply", "--validate=strict", "-n", namespace, "-f", "-")
	return namespace
}

// says waits until a field of an object is as it should be.
func (s *site) says(t *testing.T, namespace, object, path, want string) {
	t.Helper()
	eventually(t, object+" says "+want, func() error {
		got, err := s.Kubectl(t.Context(), "", "get", object, "-n", namespace, "-o", "jsonpath={"+path+"}")
		if err == nil && got != want {
			err = fmt.Errorf("%s is %q, want %q", path, got, want)
		}
		return err
	})
}

// restarts waits until a container of the pod guest was started again so often.
func (s *site) restarts(t *testing.T, namespace, container string, least int) {
	t.Helper()
	eventually(t, "the container is started again", func() error {
		got, err := s.Kubectl(t.Context(), "", "get", "pod", "guest", "-n", namespace, "-o", "jsonpath={"+container+".restartCount}")
		if n, bad := strconv.Atoi(got); err == nil && (bad != nil || n < least) {
			err = fmt.Errorf("%q restarts, want %d", got, least)
		}
		return err
	})
}

// log returns what a container has written.
func (s *site) log(t *testing.T, namespace, pod, container string) string {
	t.Helper()
	return s.MustKubectl(t, "", "logs", pod, "-n", namespace, "-c", container)
}

// ask asks a guest that serves.
func (s *site) ask(t *testing.T, namespace, pod, path string) (string, error) {
	t.Helper()
	address := s.MustKubectl(t, "", "get", "pod", pod, "-n", namespace, "-o", "jsonpath={.status.podIP}")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: limit}
	response, err := client.Get("http://" + address + ":8080" + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}

// serves waits until a guest answers.
func (s *site) serves(t *testing.T, namespace, pod, path, want string) {
	t.Helper()
	eventually(t, pod+" answers "+path, func() error {
		got, err := s.ask(t, namespace, pod, path)
		if err == nil && got != want {
			err = fmt.Errorf("%s is %q, want %q", path, got, want)
		}
		return err
	})
}

// TestNode runs pods of every kind that the node plays.
func TestNode(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Programs: kubernetes(t), ControllerManager: true, Node: Address})
	s := &site{c}
	t.Run("pods", func(t *testing.T) {
		Start(t, c, map[string]Image{"guest": Program(filepath.Join(Programs(), "guest"))})
		for name, test := range map[string]func(*testing.T, *site){
			"Surroundings": testSurroundings, "Account": testAccount, "Probes": testProbes, "Crash": testCrash,
			"Job": testJob, "Termination": testTermination, "Services": testServices, "Image": testImage,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, s)
			})
		}
	})
	if left, err := filepath.Glob("/run/node-*"); err != nil || len(left) != 0 {
		t.Errorf("files of the node are left: %v, %v", left, err)
	}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if name := link.Attrs().Name; strings.HasPrefix(name, "pod") {
			t.Errorf("the link %s is left", name)
		}
	}
}

func kubernetes(t *testing.T) string {
	t.Helper()
	programs, err := filepath.Abs(filepath.Join(root, "bin", "kubernetes"))
	if err != nil {
		t.Fatal(err)
	}
	return programs
}

func testSurroundings(t *testing.T, s *site) {
	t.Helper()
	ns := s.apply(t, `
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {rules: one, other: two}
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
stringData: {word: hidden}
---
apiVersion: v1
kind: Pod
metadata: {name: guest, labels: {app: shop}}
spec:
  terminationGracePeriodSeconds: 1
  initContainers:
  - {name: first, image: guest, args: [write, /shared/made], volumeMounts: [{name: shared, mountPath: /shared}]}
  containers:
  - name: guest
    image: guest:v1
    args: [serve, "$(PORT)"]
    env:
    - {name: PORT, value: "8080"}
    - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: RULES, valueFrom: {configMapKeyRef: {name: config, key: rules}}}
    - {name: WORD, valueFrom: {secretKeyRef: {name: secret, key: word}}}
    - {name: NONE, valueFrom: {secretKeyRef: {name: none, key: word, optional: true}}}
    - {name: CORES, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    envFrom: [{prefix: ALL_, configMapRef: {name: config}}]
    resources: {limits: {cpu: 1500m}}
    securityContext: {readOnlyRootFilesystem: true}
    volumeMounts:
    - {name: shared, mountPath: /shared}
    - {name: config, mountPath: /config, readOnly: true}
    - {name: config, mountPath: /frozen, subPath: rules}
    - {name: all, mountPath: /all}
  volumes:
  - {name: shared, emptyDir: {}}
  - {name: config, configMap: {name: config}}
  - name: all
    projected:
      sources:
      - configMap: {name: config, items: [{key: other, path: deep/renamed}]}
      - secret: {name: secret}
      - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
`)
	s.says(t, ns, "pod/guest", `.status.conditions[?(@.type=="Ready")].status`, "True")
	for path, want := range map[string]string{
		"/shared/made": "", "/config/rules": "one", "/frozen": "one", "/all/deep/renamed": "two", "/all/word": "hidden",
		"/all/labels": "app=\"shop\"", "/host": "guest", "/ENV/LABEL": "shop", "/ENV/RULES": "one", "/ENV/WORD": "hidden",
		"/ENV/NONE": "", "/ENV/ALL_other": "two", "/ENV/CORES": "2",
	} {
		s.serves(t, ns, "guest", path, want)
	}
	for _, path := range []string{"/etc/passwd", "/var/run/secrets", "/usr/bin/env"} {
		if got, err := s.ask(t, ns, "guest", path); err == nil {
			t.Errorf("the container sees %s of this machine: %q", path, got)
		}
	}
	s.MustKubectl(t, "", "patch", "configmap", "config", "-n", ns, "-p", `{"data": {"rules": "three", "new": "four"}}`)
	s.serves(t, ns, "guest", "/config/rules", "three")
	s.serves(t, ns, "guest", "/config/new", "four")
	s.serves(t, ns, "guest", "/frozen", "one")
}

func testAccount(t *testing.T, s *site) {
	t.Helper()
	ns := s.apply(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: default, namespace: account}]
---
apiVersion: v1
kind: Pod
metadata: {name: guest}
spec:
  restartPolicy: Never
  containers:
  - {name: may, image: guest, args: [api, /api/v1/namespaces/account/configmaps]}
  - {name: may-not, image: guest, args: [api, /api/v1/namespaces/account/secrets]}
`)
	s.says(t, ns, "pod/guest", ".status.phase", "Succeeded")
	for name, want := range map[string]string{"may": "200 OK", "may-not": "403 Forbidden"} {
		if got := s.log(t, ns, "guest", name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: the API server answers %q, want %s", name, got, want)
		}
	}
}

func testProbes(t *testing.T, s *site) {
	t.Helper()
	ns := s.apply(t, `
apiVersion: v1
kind: Service
metadata: {name: guest}
spec: {selector: {app: guest}, ports: [{port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: guest, labels: {app: guest}}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: switches, emptyDir: {}}]
  containers:
  - name: guest
    image: guest
    args: [serve, "8080"]
    ports: [{name: web, containerPort: 8080}]
    volumeMounts: [{name: switches, mountPath: /switches}]
    startupProbe: {exec: {command: [/guest, get, "http://127.0.0.1:8080/host"]}, periodSeconds: 1, failureThreshold: 200, timeoutSeconds: 60}
    readinessProbe: {httpGet: {path: /switches/ready, port: web}, periodSeconds: 1, timeoutSeconds: 60}
    livenessProbe: {exec: {command: [/guest, get, "http://127.0.0.1:8080/host"]}, periodSeconds: 1, timeoutSeconds: 60}
  - name: switch
    image: guest
    args: [serve, "8081"]
    volumeMounts: [{name: switches, mountPath: /switches}]
    livenessProbe: {exec: {command: [/guest, remove, /switches/alive]}, periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 60}
    lifecycle: {postStart: {exec: {command: [/guest, write, /switches/alive]}}}
`)
	s.says(t, ns, "pod/guest", `.status.containerStatuses[?(@.name=="guest")].started`, "true")
	s.says(t, ns, "endpointslices", ".items[0].endpoints[0].conditions.ready", "false")
	// The first probe takes the file away, so the second fails, and the container is
	// started again, which makes the file.
	s.restarts(t, ns, `.status.containerStatuses[?(@.name=="switch")]`, 1)
	s.says(t, ns, "pod/guest", `.status.containerStatuses[?(@.name=="guest")].restartCount`, "0")
}

func testCrash(t *testing.T, s *site) {
	t.Helper()
	ns := s.apply(t, `
apiVersion: v1
kind: Pod
metadata: {name: guest}
spec: {containers: [{name: guest, image: guest, args: [exit, "3"]}]}
`)
	s.says(t, ns, "pod/guest", ".status.containerStatuses[0].lastState.terminated.exitCode", "3")
	s.says(t, ns, "pod/guest", ".status.containerStatuses[0].state.waiting.reason", "CrashLoopBackOff")
	s.restarts(t, ns, ".status.containerStatuses[0]", 3)
}

func testJob(t *testing.T, s *site) {
	t.Helper()
	ns := s.apply(t, `
apiVersion: batch/v1
kind: Job
metadata: {name: good}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      initContainers:
      - {name: beside, image: guest, args: [serve, "8080"], restartPolicy: Always, startupProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, failureThreshold: 200}}
      - {name: first, image: guest, args: [get, "http://127.0.0.1:8080/host"]}
      containers: [{name: guest, image: guest, args: [get, "http://127.0.0.1:8080/host"]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: bad}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      initContainers: [{name: first, image: guest, args: [exit, "1"]}]
      containers: [{name: guest, image: guest, args: [exit, "0"]}]
`)
	s.MustKubectl(t, "", "wait", "--for=condition=Complete", "job/good", "-n", ns, "--timeout="+limit.String())
	s.MustKubectl(t, "", "wait", "--for=condition=Failed", "job/bad", "-n", ns, "--timeout="+limit.String())
}

func testTermination(t *testing.T, s *site) {
	t.Helper()
	ns := s.apply(t, `
apiVersion: v1
kind: Pod
metadata: {name: polite}
spec:
  terminationGracePeriodSeconds: 600
  containers:
  - {name: guest, image: guest, args: [serve, "8080"], lifecycle: {preStop: {sleep: {seconds: 1}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: deaf}
spec: {terminationGracePeriodSeconds: 2, containers: [{name: guest, image: guest, args: [stay, "8080"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: forced}
spec: {terminationGracePeriodSeconds: 600, containers: [{name: guest, image: guest, args: [stay, "8080"]}]}
`)
	s.MustKubectl(t, "", "wait", "--for=condition=Ready", "pod", "--all", "-n", ns, "--timeout="+limit.String())
	for _, pod := range []string{"polite", "deaf", "forced"} {
		s.serves(t, ns, pod, "/host", pod)
	}
	began := time.Now()
	s.MustKubectl(t, "", "delete", "pod", "polite", "deaf", "-n", ns)
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("the pods ended after %v, want 2 s of grace for one that does not end", took)
	}
	s.MustKubectl(t, "", "delete", "pod", "forced", "-n", ns, "--force", "--grace-period=0")
	eventually(t, "the pods have no process", func() error {
		all, err := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range all {
			if text, gone := os.ReadFile(file); gone == nil && strings.HasPrefix(string(text), "/guest\x00stay") {
				err = errors.New(file)
			}
		}
		return err
	})
}

func testServices(t *testing.T, s *site) {
	t.Helper()
	ns := s.apply(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: web, image: guest, args: [serve, "8080"], readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: all}
spec: {selector: {app: web}, clusterIP: None, ports: [{port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
`)
	s.MustKubectl(t, "", "rollout", "status", "deployment/web", "-n", ns, "--timeout="+limit.String())
	seen := map[string]bool{}
	for n := 0; len(seen) < 2; n++ {
		if n == 60 {
			t.Fatalf("60 connections reached %v, want two pods", seen)
		}
		name := fmt.Sprintf("client-%d", n)
		url := []string{"http://web/host", "http://all." + ns + ".svc.cluster.local:8080/host"}[n%2]
		s.MustKubectl(t, "", "run", name, "-n", ns, "--image=guest", "--restart=Never", "--", "get", url)
		s.says(t, ns, "pod/"+name, ".status.phase", "Succeeded")
		seen[s.log(t, ns, name, name)] = true
	}
	address := s.MustKubectl(t, "", "get", "service", "nobody", "-n", ns, "-o", "jsonpath={.spec.clusterIP}")
	s.MustKubectl(t, "", "run", "alone", "-n", ns, "--image=guest", "--restart=Never", "--", "get", "http://"+address)
	s.says(t, ns, "pod/alone", ".status.phase", "Failed")
	if log := s.log(t, ns, "alone", "alone"); !strings.Contains(log, "connection refused") {
		t.Errorf("a service without endpoints: %q, want connection refused", log)
	}
}

func testImage(t *testing.T, s *site) {
	t.Helper()
	ns := s.apply(t, `
apiVersion: v1
kind: Pod
metadata: {name: guest}
spec: {containers: [{name: guest, image: "registry.example/none@sha256:0000000000000000000000000000000000000000000000000000000000000000"}]}
`)
	s.says(t, ns, "pod/guest", ".status.containerStatuses[0].state.waiting.message", `image "registry.example/none" cannot be pulled here: there are guest`)
}
