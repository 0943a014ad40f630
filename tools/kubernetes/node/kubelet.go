package main

import (
	"context"
	"path/filepath"
	"time"

	cadvisorapi "github.com/google/cadvisor/lib/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kubelet/app"
	kubeletoptions "k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	cadvisortest "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/util/oom"
)

// runKubelet runs Kubernetes' kubelet on a container runtime. Nothing is measured and no
// cgroup is made, which a machine may not allow: there is room for every pod.
func runKubelet(ctx context.Context, o *options) error {
	s, err := kubeletoptions.NewKubeletServer()
	if err != nil {
		return err
	}
	s.KubeConfig, s.HostnameOverride, s.NodeIP = o.kubeconfig, o.name, o.address.String()
	s.RootDirectory, s.CertDirectory = filepath.Join(o.dir, "kubelet"), filepath.Join(o.dir, "certificates")
	c := &s.KubeletConfiguration
	c.ContainerRuntimeEndpoint = "unix://" + o.runtime
	c.PodLogsDir, c.VolumePluginDir = filepath.Join(o.dir, "logs"), filepath.Join(o.dir, "plugins")
	c.FeatureGates = map[string]bool{"KubeletInUserNamespace": true}
	c.ClusterDomain, c.ClusterDNS, c.ResolverConfig = "cluster.local", []string{o.address.String()}, ""
	c.FailCgroupV1, c.CgroupsPerQOS, c.EnforceNodeAllocatable, c.FailSwapOn, c.LocalStorageCapacityIsolation = false, false, nil, false, false
	c.EvictionHard, c.ImageGCHighThresholdPercent = nil, 100
	c.MaxPods, c.SerializeImagePulls = 1000, false
	c.Address, c.HealthzPort = o.address.String(), 0
	// kubectl logs and exec; nobody else is in this network.
	c.Authentication.Anonymous.Enabled, c.Authentication.Webhook.Enabled, c.Authorization.Mode = true, false, kubeletconfig.KubeletAuthorizationModeAlwaysAllow
	// How soon a ConfigMap that has changed is in a volume: nobody wants to wait a minute.
	c.SyncFrequency = metav1.Duration{Duration: time.Second}
	// So is what comes after a crash.
	c.CrashLoopBackOff.MaxContainerRestartPeriod = &metav1.Duration{Duration: 2 * time.Second}

	deps, err := app.UnsecuredDependencies(ctx, s, utilfeature.DefaultFeatureGate)
	if err != nil {
		return err
	}
	deps.CAdvisorInterface = &machine{}
	deps.ContainerManager = cm.NewStubContainerManager()
	deps.OOMAdjuster = oom.NewFakeOOMAdjuster()
	return app.Run(ctx, s, deps, utilfeature.DefaultFeatureGate)
}

// A machine has room for every pod.
type machine struct{ cadvisortest.Fake }

func (*machine) MachineInfo(klog.Logger) (*cadvisorapi.MachineInfo, error) {
	return &cadvisorapi.MachineInfo{NumCores: 1000, MemoryCapacity: 1 << 40}, nil
}
