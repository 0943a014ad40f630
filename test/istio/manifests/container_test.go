package manifests

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// stopLimit is how long tagproc finishes streams after its drain delay, at most, and
// drainLimit how long Istio's proxy drains by default (terminationDrainDuration).
const (
	stopLimit  = 5 * time.Second
	drainLimit = 5 * time.Second
)

// TestRestricted checks both forms against what the Pod Security Standard asks for, and to
// a root that cannot be written to, which it does not ask for.
func TestRestricted(t *testing.T) {
	t.Parallel()
	for form := range deployments {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			p := pod(t, form)
			c := container(t, p, "tagproc")
			if s := c.SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
				t.Error("readOnlyRootFilesystem is not set")
			}
			// Of the gateway's pod, what tagproc adds: the rest is the gateway's own.
			if form == sidecar {
				p.Spec.InitContainers, p.Spec.Containers = nil, []corev1.Container{*c}
				p.Spec.Containers[0].RestartPolicy = nil
			}
			restricted(t, p)
		})
	}
}

// restricted fails the test if the Pod Security Standard "restricted" does not hold.
func restricted(t *testing.T, pod *corev1.PodTemplateSpec) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
}

// TestSized compares the limits with what the documents say.
func TestSized(t *testing.T) {
	t.Parallel()
	advised := documented(t, "operations.md", `\*\*Memory\*\*: give it (\d+) MiB`)
	ordinary := documented(t, "reliability.md", `ordinary load, no fault .* memory \d+ MiB \(≤ (\d+) MiB\)`)
	for form := range deployments {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			r := container(t, pod(t, form), "tagproc").Resources
			if got := r.Limits.Memory(); got.Cmp(advised) < 0 {
				t.Errorf("the memory limit is %v, want %v at least, as operations.md has it", got, &advised)
			}
			if got := r.Requests.Memory(); got.Cmp(ordinary) < 0 {
				t.Errorf("the memory request is %v, want %v at least, as reliability.md has it", got, &ordinary)
			}
			if r.Requests.Cpu().IsZero() {
				t.Error("there is no request of CPU: no autoscaler by CPU works")
			}
			if _, ok := r.Limits[corev1.ResourceCPU]; ok {
				t.Error("there is a limit of CPU, which operations.md advises against")
			}
		})
	}
}

// documented returns a size in MiB from a document of docs/.
func documented(t *testing.T, name, pattern string) resource.Quantity {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no %q", name, pattern)
	}
	return resource.MustParse(string(m[1]) + "Mi")
}

// TestRulesAreMounted checks that the file that tagproc reads is the ConfigMap's, in a
// mount that follows its changes.
func TestRulesAreMounted(t *testing.T) {
	t.Parallel()
	for form := range deployments {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			p := pod(t, form)
			c := container(t, p, "tagproc")
			file := flag(c, "rules")
			mount, volume := mounted(t, p, c, path.Dir(file))
			if volume.ConfigMap == nil {
				t.Fatalf("%s is not from a ConfigMap", mount.MountPath)
			}
			rules := get[*corev1.ConfigMap](t, build(t, form), "ConfigMap/"+volume.ConfigMap.Name)
			if _, ok := rules.Data[path.Base(file)]; !ok {
				t.Errorf("ConfigMap %s has no %s", rules.Name, path.Base(file))
			}
			if len(volume.ConfigMap.Items) > 0 {
				t.Error("items leave keys out")
			}
			for _, m := range c.VolumeMounts {
				if m.SubPath != "" || m.SubPathExpr != "" {
					t.Errorf("the mount at %s has a subPath: it would never be updated", m.MountPath)
				}
			}
		})
	}
}

// TestEndsInTime checks that pods are given the time that they take to end.
func TestEndsInTime(t *testing.T) {
	t.Parallel()
	p := pod(t, service)
	takes := durationFlag(t, container(t, p, "tagproc"), "drain-delay") + stopLimit + drainLimit
	if got := grace(t, p); got <= takes {
		t.Errorf("terminationGracePeriodSeconds is %v, want more than %v: the drain delay, streams, the proxy", got, takes)
	}
	p = pod(t, sidecar)
	if flag(container(t, p, "tagproc"), "drain-delay") != "" {
		t.Error("beside a gateway --drain-delay has no effect: Envoy has ended before")
	}
	if got, takes := grace(t, p), drainLimit+stopLimit; got <= takes {
		t.Errorf("terminationGracePeriodSeconds is %v, want more than %v: the proxy, streams", got, takes)
	}
}

// grace returns a pod's terminationGracePeriodSeconds.
func grace(t *testing.T, pod *corev1.PodTemplateSpec) time.Duration {
	t.Helper()
	if pod.Spec.TerminationGracePeriodSeconds == nil {
		t.Fatal("there is no terminationGracePeriodSeconds")
	}
	return time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second
}

// TestSidecarIsNative checks that tagproc is there before the gateway and after it, and
// that a tagproc that is not ready leaves the gateway ready.
func TestSidecarIsNative(t *testing.T) {
	t.Parallel()
	p := pod(t, sidecar)
	if len(p.Spec.InitContainers) != 1 || p.Spec.InitContainers[0].Name != "tagproc" {
		t.Fatalf("initContainers = %v, want tagproc alone", p.Spec.InitContainers)
	}
	c := p.Spec.InitContainers[0]
	if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		t.Error("restartPolicy is not Always: the gateway would wait for tagproc to end")
	}
	if c.StartupProbe == nil {
		t.Error("there is no startupProbe: the gateway would not wait for the rules")
	}
	if c.ReadinessProbe != nil {
		t.Error("there is a readinessProbe: a tagproc that is not ready would take the gateway out of traffic")
	}
}

// TestSocketIsShared checks that both containers have the directory of the socket, and
// tagproc alone may write to it.
func TestSocketIsShared(t *testing.T) {
	t.Parallel()
	p := pod(t, sidecar)
	c := container(t, p, "tagproc")
	dir := path.Dir(strings.TrimPrefix(flag(c, "listen"), "unix://"))
	mount, volume := mounted(t, p, c, dir)
	theirs, same := mounted(t, p, container(t, p, "istio-proxy"), dir)
	if same.Name != volume.Name {
		t.Errorf("the containers have %s and %s at %s, want one volume", volume.Name, same.Name, dir)
	}
	if mount.ReadOnly || !theirs.ReadOnly {
		t.Errorf("readOnly = %v for tagproc and %v for istio-proxy, want false and true", mount.ReadOnly, theirs.ReadOnly)
	}
	if volume.EmptyDir == nil || volume.EmptyDir.Medium != corev1.StorageMediumMemory || volume.EmptyDir.SizeLimit == nil {
		t.Errorf("%s is %+v, want an emptyDir in memory with a limit", volume.Name, volume.EmptyDir)
	}
}

// TestGOMAXPROCS checks that without a limit of CPU Go is told how many to use.
func TestGOMAXPROCS(t *testing.T) {
	t.Parallel()
	for form := range deployments {
		c := container(t, pod(t, form), "tagproc")
		found := false
		for _, e := range c.Env {
			n, err := strconv.Atoi(e.Value)
			found = found || e.Name == "GOMAXPROCS" && err == nil && n > 0
		}
		if !found {
			t.Errorf("%s: env = %v, want a GOMAXPROCS", form, c.Env)
		}
	}
}
