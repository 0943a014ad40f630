package manifests

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	securityv1 "istio.io/api/security/v1"
	"istio.io/istio/pkg/config"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// own makes the objects of a kustomization that somebody writes who uses ours, in a
// file system in which /deploy is deploy/kustomize, and a clone of the repository is
// beside the kustomization. It replaces what is in dir.
func own(t *testing.T, dir, kustomization string, others map[string]string) objects {
	t.Helper()
	return ownIn(t, "istio-system", dir, kustomization, others)
}

// ownIn is own for objects of another namespace.
func ownIn(t *testing.T, namespace, dir, kustomization string, others map[string]string) objects {
	t.Helper()
	files := filesys.MakeFsInMemory()
	write := func(name, text string) {
		t.Helper()
		if err := files.WriteFile(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(kustomizations, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(kustomizations, name)
		if err == nil {
			write(path.Join("/deploy", filepath.ToSlash(relative)), string(text))
			write(path.Join(dir, "tagproc/deploy/kustomize", filepath.ToSlash(relative)), string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	write(path.Join(dir, "kustomization.yaml"), kustomization)
	for name, text := range others {
		write(path.Join(dir, name), text)
	}
	return buildAt(t, namespace, files, dir)
}

// ownBlocks returns the kustomizations of docs/deployment.md.
func ownBlocks(t *testing.T) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "deployment.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^( *)```yaml\n *# kustomization.yaml\n((?:.*\n)*?) *```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n"))
	}
	if len(blocks) != 4 {
		t.Fatalf("deployment.md has %d kustomizations, want one for each form, a gateway elsewhere, and another identity", len(blocks))
	}
	return blocks
}

// TestOwn builds the kustomizations of docs/deployment.md for both forms, and of the
// sidecar form that for a gateway of another name in another namespace.
func TestOwn(t *testing.T) {
	t.Parallel()
	blocks := ownBlocks(t)
	text, err := os.ReadFile(filepath.Join(kustomizations, "overlays", "sidecar", "gateway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	gateway := string(text)
	shop := strings.NewReplacer("namespace: istio-system", "namespace: edge", "istio-ingressgateway", "shop-gateway").Replace(gateway)
	const rules = "rules: [] # mine\n"
	for _, tt := range []struct {
		block                          string
		deployment, namespace, gateway string
	}{
		{blocks[0], deployments[service], "istio-system", gateway},
		{blocks[1], deployments[sidecar], "istio-system", gateway},
		{blocks[2], "Deployment/shop-gateway", "edge", shop},
	} {
		all := ownIn(t, tt.namespace, "/own", tt.block, map[string]string{"rules.yaml": rules, "gateway.yaml": tt.gateway})
		if got := get[*corev1.ConfigMap](t, all, "ConfigMap/tagproc-rules").Data["rules.yaml"]; got != rules {
			t.Errorf("%s: the rules are %q, want %q", tt.deployment, got, rules)
		}
		p := &get[*appsv1.Deployment](t, all, tt.deployment).Spec.Template
		if got, want := container(t, p, "tagproc").Image, "registry.example/tagproc:v1.2.3"; got != want {
			t.Errorf("%s: the image is %s, want %s", tt.deployment, got, want)
		}
		if tt.deployment != deployments[service] {
			mounted(t, p, container(t, p, "istio-proxy"), "/run/tagproc")
		}
	}
}

// TestOwnGateway checks that tagproc's guards let in the gateway that the patches of
// docs/deployment.md name, and nobody else.
func TestOwnGateway(t *testing.T) {
	t.Parallel()
	blocks := ownBlocks(t)
	shipped := get[*networkingv1.NetworkPolicy](t, build(t, service), "NetworkPolicy/tagproc").Spec
	for _, tt := range []struct{ namespace, key, value string }{
		{"istio-system", "istio", "ingressgateway"}, // as the document has it
		{"edge", "app", "shop-gateway"},
	} {
		block := strings.NewReplacer("kubernetes.io/metadata.name: istio-system", "kubernetes.io/metadata.name: "+tt.namespace,
			"istio: ingressgateway", tt.key+": "+tt.value).Replace(blocks[0])
		got := get[*networkingv1.NetworkPolicy](t, own(t, "/own", block, map[string]string{"rules.yaml": "rules: []"}), "NetworkPolicy/tagproc").Spec
		want := *shipped.DeepCopy()
		want.Ingress[0].From = []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": tt.namespace}},
			PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{tt.key: tt.value}},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the NetworkPolicy for %s=%s in %s (-want +got):\n%s", tt.key, tt.value, tt.namespace, diff)
		}
	}

	authorization := get[config.Config](t, own(t, "/own", blocks[3], nil), "AuthorizationPolicy/tagproc").Spec.(*securityv1.AuthorizationPolicy)
	if got, want := authorization.Rules[0].From[0].Source.Principals, "*/ns/edge/sa/shop-gateway"; !slices.Contains(got, want) || len(got) != 3 {
		t.Errorf("the AuthorizationPolicy lets in %v, want %s too", got, want)
	}
}
