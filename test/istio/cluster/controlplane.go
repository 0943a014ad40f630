package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"istio.io/istio/pilot/test/xds"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/mesh/control"
)

// istioVersions is which Istio an Envoy says it comes from: the control plane sends
// only what that version understands.
var istioVersions = map[string]string{
	envoy.Version:         control.Version,
	envoy.PreviousVersion: "1.28.0",
}

// A controlPlane is Istio's, in this process.
type controlPlane struct {
	server  *xds.FakeDiscoveryServer
	version string // of Istio, as Envoys say it
}

func startControlPlane(t testing.TB, address netip.Addr, release string) (*controlPlane, error) {
	t.Helper()
	version, ok := istioVersions[release]
	if !ok {
		return nil, fmt.Errorf("which Istio comes with Envoy %s is not known here", release)
	}
	return &controlPlane{
		version: version,
		// As outside of tests, though shorter: without it a push may be of what was there before
		// the Gateway that it is for, and nothing pushes again.
		server: control.Start(t, control.Options{Listen: address, Debounce: 50 * time.Millisecond}),
	}, nil
}

// address is where it serves Envoys.
func (p *controlPlane) address() *net.TCPAddr { return p.server.Listener.Addr().(*net.TCPAddr) }

// configure gives the control plane an object of Istio's, new or changed.
func (p *controlPlane) configure(o control.Object) error {
	store := p.server.Store()
	if store.Get(o.Istio.GroupVersionKind, o.Name, o.Namespace) == nil {
		_, err := store.Create(*o.Istio)
		return err
	}
	_, err := store.Update(*o.Istio)
	return err
}

// unconfigure takes an object of Istio's away.
func (p *controlPlane) unconfigure(o control.Object) error {
	return p.server.Store().Delete(o.Istio.GroupVersionKind, o.Name, o.Namespace, nil)
}

func (p *controlPlane) kube() kubernetes.Interface { return p.server.KubeClient().Kube() }

// client is what the clients of all kinds have in common.
type client[T any] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// write creates an object of Kubernetes that the control plane watches, or changes
// it.
func write[T any](c client[T], o T) error {
	_, err := c.Update(context.Background(), o, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = c.Create(context.Background(), o, metav1.CreateOptions{})
	}
	return err
}

// remove deletes such an object. One that is not there is no error.
func remove[T any](c client[T], name string) error {
	err := c.Delete(context.Background(), name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (p *controlPlane) podClient(namespace string) client[*corev1.Pod] {
	return p.kube().CoreV1().Pods(namespace)
}

func (p *controlPlane) serviceClient(namespace string) client[*corev1.Service] {
	return p.kube().CoreV1().Services(namespace)
}

func (p *controlPlane) sliceClient(namespace string) client[*discoveryv1.EndpointSlice] {
	return p.kube().DiscoveryV1().EndpointSlices(namespace)
}

func (p *controlPlane) gateways(namespace string) client[*gatewayv1.Gateway] {
	return p.server.KubeClient().GatewayAPI().GatewayV1().Gateways(namespace)
}

func (p *controlPlane) httpRoutes(namespace string) client[*gatewayv1.HTTPRoute] {
	return p.server.KubeClient().GatewayAPI().GatewayV1().HTTPRoutes(namespace)
}

func (p *controlPlane) namespaceClient() client[*corev1.Namespace] {
	return p.kube().CoreV1().Namespaces()
}
