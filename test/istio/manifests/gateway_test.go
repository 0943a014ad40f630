package manifests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"istio.io/istio/operator/pkg/helm"
	"istio.io/istio/operator/pkg/values"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/kube/inject"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/yaml"
)

var (
	patchFile  = filepath.Join(kustomizations, "components", "sidecar", "gateway-patch.yaml")
	valuesFile = filepath.Join(kustomizations, "components", "sidecar", "gateway-values.yaml")
)

// chart returns the manifests that one of Istio's charts renders to, as JSON by
// "Kind/name".
func chart(t *testing.T, release, directory string, settings values.Map) map[string][]byte {
	t.Helper()
	manifests, warnings, err := helm.Render(release, "istio-system", directory, values.MakeMap(settings, "spec", "values"), nil)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	all := map[string][]byte{}
	for _, m := range manifests {
		if all[m.GetKind()+"/"+m.GetName()], err = m.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// fromChart is the Deployment of a gateway from Istio's chart.
func fromChart(t *testing.T, settings values.Map) *appsv1.Deployment {
	t.Helper()
	object, _, err := strictly.Decode(chart(t, "istio-ingressgateway", "gateway", settings)["Deployment/istio-ingressgateway"], nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return object.(*appsv1.Deployment)
}

// patched applies gateway-patch.yaml as kubectl patch does.
func patched(t *testing.T, gateway *appsv1.Deployment) *appsv1.Deployment {
	t.Helper()
	original, err := json.Marshal(gateway)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(patchFile)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := yaml.ToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := strategicpatch.StrategicMergePatch(original, patch, appsv1.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	object, _, err := strictly.Decode(merged, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return object.(*appsv1.Deployment)
}

// TestPatch checks that kubectl and kustomize apply the patch with the same result, even
// when it is applied twice.
func TestPatch(t *testing.T) {
	t.Parallel()
	want := get[*appsv1.Deployment](t, build(t, sidecar), deployments[sidecar])
	plain := get[*appsv1.Deployment](t, own(t, "/deploy/overlays/sidecar", "resources: [gateway.yaml]\n", nil), deployments[sidecar])
	once := patched(t, plain)
	if diff := cmp.Diff(want, once); diff != "" {
		t.Errorf("kubectl patch (+) makes of the gateway something else than kustomize (-):\n%s", diff)
	}
	if diff := cmp.Diff(once, patched(t, once)); diff != "" {
		t.Errorf("the patch, applied again, changes the gateway:\n%s", diff)
	}
}

// TestChart checks that a gateway from Istio's chart gets from gateway-values.yaml what
// one that is patched has.
func TestChart(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(valuesFile)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := values.MapFromYaml(text)
	if err != nil {
		t.Fatal(err)
	}
	want := patched(t, fromChart(t, values.Map{})).Spec
	if diff := cmp.Diff(want, fromChart(t, settings).Spec); diff != "" {
		t.Errorf("gateway-values.yaml (+) makes of the gateway something else than the patch (-):\n%s", diff)
	}
}

// injected returns what Istio's injector makes of a Deployment's pods.
func injected(t *testing.T, deployment *appsv1.Deployment, settings values.Map) *corev1.PodTemplateSpec {
	t.Helper()
	var injector struct {
		Data struct{ Config, Values string }
	}
	if err := json.Unmarshal(chart(t, "istiod", "istio-control/istio-discovery", settings)["ConfigMap/istio-sidecar-injector"], &injector); err != nil {
		t.Fatal(err)
	}
	config, err := inject.UnmarshalConfig([]byte(injector.Data.Config))
	if err != nil {
		t.Fatal(err)
	}
	valuesConfig, err := inject.NewValuesConfig(injector.Data.Values)
	if err != nil {
		t.Fatal(err)
	}
	warn := func(warning string) { t.Error(warning) }
	object, err := inject.IntoObject(nil, config.Templates, valuesConfig, "default", mesh.DefaultMeshConfig(), deployment, warn)
	if err != nil {
		t.Fatal(err)
	}
	p := &object.(*appsv1.Deployment).Spec.Template
	for i := range p.Spec.Volumes { // the API server's default
		if v := &p.Spec.Volumes[i]; v.VolumeSource == (corev1.VolumeSource{}) {
			v.EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
	return p
}

// TestGatewayIsInjected checks that Istio leaves tagproc as it is, in gateways of both
// kinds, and runs Envoy in the group that may use the socket. Probes above all: those
// that went through Envoy would wait for it, and Envoy for them.
func TestGatewayIsInjected(t *testing.T) {
	t.Parallel()
	for name, gateway := range map[string]*appsv1.Deployment{
		"the overlay's": get[*appsv1.Deployment](t, build(t, sidecar), deployments[sidecar]),
		"the chart's":   patched(t, fromChart(t, values.Map{})),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := container(t, gateway.Spec.Template.DeepCopy(), "tagproc")
			p := injected(t, gateway, values.Map{})
			if diff := cmp.Diff([]corev1.Container{*before}, p.Spec.InitContainers); diff != "" {
				t.Errorf("the injection changes the init containers (-before +after):\n%s", diff)
			}
			envoy := container(t, p, "istio-proxy")
			if envoy.Image == "auto" {
				t.Error("istio-proxy was not injected")
			}
			tagprocs, theirs := before.SecurityContext.RunAsGroup, envoy.SecurityContext.RunAsGroup
			if tagprocs == nil || theirs == nil || *tagprocs != *theirs {
				t.Errorf("runAsGroup is %v for tagproc and %v for istio-proxy, want one group", tagprocs, theirs)
			}
			if *before.SecurityContext.RunAsUser == *envoy.SecurityContext.RunAsUser {
				t.Errorf("both run as user %d, want two", *envoy.SecurityContext.RunAsUser)
			}
			if mount, _ := mounted(t, p, envoy, "/run/tagproc"); !mount.ReadOnly {
				t.Error("istio-proxy may write to the directory of the socket")
			}
		})
	}
}

// TestServiceIsInjected checks that the service form gets a sidecar that outlives
// tagproc, that its probes still arrive, and that with Istio's CNI, which makes the
// privileged init container unnecessary, its pods remain restricted.
func TestServiceIsInjected(t *testing.T) {
	t.Parallel()
	deployment := get[*appsv1.Deployment](t, build(t, service), deployments[service])
	before := container(t, deployment.Spec.Template.DeepCopy(), "tagproc")
	p := injected(t, deployment, values.MakeMap(true, "pilot", "cni", "enabled"))
	i := slices.IndexFunc(p.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == "istio-proxy" })
	if i < 0 || p.Spec.InitContainers[i].RestartPolicy == nil {
		t.Fatal("istio-proxy is not a native sidecar: it would end while tagproc drains")
	}
	after := container(t, p, "tagproc")
	if diff := cmp.Diff(before.Args, after.Args); diff != "" {
		t.Errorf("the injection changes the arguments:\n%s", diff)
	}
	for kind, probe := range probes(after) {
		if want := map[string]string{"readiness": "/readyz", "liveness": "/livez"}[kind]; probe.HTTPGet == nil || !strings.HasSuffix(probe.HTTPGet.Path, want) {
			t.Errorf("the %s probe is %+v, want one that ends at %s", kind, probe.ProbeHandler, want)
		}
	}
	restricted(t, p)
}
