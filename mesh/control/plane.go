package control

import (
	"net"
	"net/netip"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"
	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/test"
	"k8s.io/apimachinery/pkg/runtime"
)

// SystemNamespace is where Istio is.
const SystemNamespace = "istio-system"

// Version is which Istio this is, as Envoys say it.
const Version = "1.31.0"

// Options say how a control plane is started.
type Options struct {
	Listen   netip.Addr       // where Envoys are served; zero: nowhere
	Debounce time.Duration    // how long it waits for more changes before it pushes one
	Configs  []config.Config  // Istio's objects that are there from the beginning
	Objects  []runtime.Object // those of Kubernetes and of the Gateway API
}

// Start starts Istio's control plane, which ends with t. It is one for plain text: there
// is no certificate authority.
func Start(t test.Failer, o Options) *xds.FakeDiscoveryServer {
	m := mesh.DefaultMeshConfig()
	m.EnableAutoMtls = wrapperspb.Bool(false)
	m.DefaultProviders = &meshconfig.MeshConfig_DefaultProviders{} // metrics need a filter of Istio's own build
	m.AccessLogFile = "/dev/stdout"
	options := xds.FakeOptions{MeshConfig: m, DebounceTime: o.Debounce, Configs: o.Configs, KubernetesObjects: o.Objects}
	if o.Listen.IsValid() {
		options.ListenerBuilder = func() (net.Listener, error) {
			return net.Listen("tcp", netip.AddrPortFrom(o.Listen, 0).String())
		}
	}
	return xds.NewFakeDiscoveryServer(t, options)
}
