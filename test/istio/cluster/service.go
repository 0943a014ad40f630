package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tagproc/tagproc/mesh/control"
)

// A service is an address that ready pods stand behind.
type service struct {
	key       control.Key
	object    *corev1.Service        // with what an API server adds
	address   netip.Addr             // invalid: headless
	endpoints []discoveryv1.Endpoint // what the control plane was told
	fronts    []*front               // what listens at the address, one for each port
}

// acceptService completes a Service as an API server does and gives it to the
// control plane.
func (c *Cluster) acceptService(k control.Key, o *corev1.Service) error {
	if len(o.Spec.Selector) == 0 || o.Spec.ExternalName != "" {
		return errors.New("a Service without a selector is not played here")
	}
	s := c.services[k]
	if s == nil {
		s = &service{key: k}
		if o.Spec.ClusterIP != corev1.ClusterIPNone {
			address, err := c.node.NewService()
			if err != nil {
				return err
			}
			s.address = address
		}
		c.services[k] = s
	}
	s.object = o.DeepCopy()
	spec := &s.object.Spec
	if spec.Type == "" {
		spec.Type = corev1.ServiceTypeClusterIP
	}
	if s.address.IsValid() {
		spec.ClusterIP = s.address.String()
		spec.ClusterIPs = []string{spec.ClusterIP}
		if spec.Type == corev1.ServiceTypeLoadBalancer {
			s.object.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: spec.ClusterIP}}
		}
	}
	for i := range spec.Ports {
		if p := &spec.Ports[i]; p.TargetPort == (intstr.IntOrString{}) {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
		if p := &spec.Ports[i]; p.Protocol == "" {
			p.Protocol = corev1.ProtocolTCP
		}
	}
	if err := s.listen(); err != nil {
		return err
	}
	s.endpoints = nil // reconcile writes them again
	return write(c.control.serviceClient(k.Namespace), s.object.DeepCopy())
}

func (c *Cluster) forgetService(k control.Key) error {
	c.services[k].close()
	delete(c.services, k)
	return errors.Join(
		remove(c.control.sliceClient(k.Namespace), k.Name),
		remove(c.control.serviceClient(k.Namespace), k.Name),
	)
}

// selects reports whether a pod belongs to the service.
func (s *service) selects(p *pod) bool {
	return p.namespace() == s.key.Namespace && labels.SelectorFromSet(s.object.Spec.Selector).Matches(labels.Set(p.labels))
}

// reconcileServices tells the control plane which pods stand behind services.
func (c *Cluster) reconcileServices() error {
	var errs []error
	for _, s := range c.services {
		var endpoints []discoveryv1.Endpoint
		ports := make(map[string][]netip.AddrPort)
		for _, p := range c.pods {
			if net := p.network(); net == nil || !s.selects(p) || p.gone() {
				continue
			}
			endpoints = append(endpoints, p.endpoint())
			for _, port := range s.object.Spec.Ports {
				if number, ok := p.port(port.TargetPort); ok && p.isReady() {
					ports[port.Name] = append(ports[port.Name], netip.AddrPortFrom(p.network().Address, uint16(number)))
				}
			}
		}
		for _, f := range s.fronts {
			f.setBackends(ports[f.name])
		}
		if s.endpoints != nil && equality.Semantic.DeepEqual(endpoints, s.endpoints) {
			continue
		}
		if endpoints == nil {
			endpoints = []discoveryv1.Endpoint{}
		}
		s.endpoints = endpoints
		errs = append(errs, write(c.control.sliceClient(s.key.Namespace), s.slice(c.pods)))
	}
	return errors.Join(errs...)
}

// endpoint is how a pod stands behind a service.
func (p *pod) endpoint() discoveryv1.Endpoint {
	ready, ending := p.isReady(), p.ending()
	return discoveryv1.Endpoint{
		Addresses:  []string{p.network().Address.String()},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &ready, Terminating: &ending},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: p.namespace(), Name: p.name},
	}
}

// slice is the service's endpoints as the control plane watches them.
func (s *service) slice(pods []*pod) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: s.key.Name, Namespace: s.key.Namespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: s.key.Name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   s.endpoints,
	}
	for _, port := range s.object.Spec.Ports {
		number := port.TargetPort.IntVal
		for _, p := range pods {
			if n, ok := p.port(port.TargetPort); s.selects(p) && ok {
				number = n
			}
		}
		if number == 0 {
			continue // a name that no pod has
		}
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{
			Name: &port.Name, Port: &number, Protocol: &port.Protocol, AppProtocol: port.AppProtocol,
		})
	}
	return slice
}

// port resolves a Service's target port.
func (p *pod) port(target intstr.IntOrString) (int32, bool) {
	if target.Type == intstr.Int {
		return target.IntVal, true
	}
	for _, c := range slices.Concat(p.spec.InitContainers, p.spec.Containers) {
		for _, port := range c.Ports {
			if port.Name == target.StrVal {
				return port.ContainerPort, true
			}
		}
	}
	return 0, false
}

// writeHosts gives every pod the names of the services.
func (c *Cluster) writeHosts() error {
	var errs []error
	for _, p := range c.pods {
		if p.network() == nil || p.gone() {
			continue
		}
		var lines []string
		for _, s := range c.services {
			if !s.address.IsValid() {
				continue
			}
			name := s.key.Name + "." + s.key.Namespace
			names := fmt.Sprintf("%s %s.svc %s.svc.%s", name, name, name, control.Domain)
			if s.key.Namespace == p.namespace() {
				names = s.key.Name + " " + names
			}
			lines = append(lines, s.address.String()+" "+names)
		}
		slices.Sort(lines)
		text := "127.0.0.1 localhost\n" + p.network().Address.String() + " " + p.name + "\n" + strings.Join(lines, "\n") + "\n"
		file := filepath.Join(p.dir, "etc", "hosts")
		if before, err := os.ReadFile(file); err == nil && string(before) == text {
			continue
		}
		// Without its directory the pod is gone, or not there yet.
		if err := os.WriteFile(file, []byte(text), 0o644); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
