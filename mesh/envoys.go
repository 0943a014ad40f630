package mesh

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/cluster"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/test"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/mesh/control"
	"github.com/tagproc/tagproc/source"
)

// Envoys are what Istio makes of manifests.
type Envoys struct {
	Workloads []*Workload
	All       []*Envoy // those of gateways first
	Notes     source.Problems
	Namespace string // of objects without one

	services   []*corev1.Service
	namespaces map[string]*corev1.Namespace
	manifests  *Manifests
	taken      []*Object // Gateways that are not among the manifests
}

// An Envoy is that of a gateway, or of a kind of pod.
type Envoy struct {
	*Workload

	Config *envoyconf.Config
	Text   []byte // the configuration as JSON, whose places Config has

	endpoints map[string][]*Workload // by cluster
	origins   map[int]source.Value   // by line of Text
}

// Build runs Istio's control plane over manifests, and returns the Envoys that it
// configures.
func Build(m *Manifests, o Options) (*Envoys, error) {
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	e, err := build(m, o)
	if panics(err) {
		return nil, m.blame(o, err)
	}
	return e, err
}

func build(m *Manifests, o Options) (*Envoys, error) {
	e := &Envoys{Workloads: m.workloads(o.Namespace), Namespace: o.Namespace, namespaces: map[string]*corev1.Namespace{}, manifests: m}
	return e, control.Run(func(t test.Failer) error { return e.build(t, m) })
}

func panics(err error) bool {
	_, is := errors.AsType[*control.PanicError](err)
	return is
}

// blame says by which object Istio's code panics: the last of the fewest objects, from the
// first on, with which it does.
func (m *Manifests) blame(o Options, err error) error {
	n := sort.Search(len(m.Objects), func(i int) bool {
		some := *m
		some.Objects = m.Objects[:i+1]
		_, err := build(&some, o)
		return panics(err)
	})
	if n == len(m.Objects) {
		return err
	}
	doc := m.Objects[n].Doc
	return fmt.Errorf("%s: %s: %w; what does kubectl apply --dry-run=server say of it?", doc.Place(), doc.ID(), err)
}

func (e *Envoys) build(t test.Failer, m *Manifests) error {
	options := control.Options{}
	for _, o := range m.Objects {
		switch k := o.Kube.(type) {
		case *corev1.Namespace:
			e.namespaces[k.Name] = k
		case *corev1.Service:
			e.services = append(e.services, k)
		}
	}
	e.takeGateways(m)
	e.gateways(m)
	e.takeCaller(m)
	pods, virtual := addresses{netip.MustParseAddr("10.244.0.0")}, addresses{netip.MustParseAddr("10.96.0.0")}
	for _, w := range e.Workloads {
		w.address = pods.new()
		w.Proxy = w.Gateway
		if !w.Gateway {
			w.Proxy, _ = w.injected(e.namespaces)
		}
		options.Objects = append(options.Objects, w.pod())
	}
	for i, s := range e.services {
		s = service(s, virtual.new())
		e.services[i] = s
		options.Objects = append(options.Objects, s)
		if len(s.Spec.Selector) > 0 {
			options.Objects = append(options.Objects, slice(s, e.Workloads))
		}
	}
	if len(e.services) == 0 {
		options.Objects = append(options.Objects, service(ownService(), virtual.new()))
	}
	e.addOthers(m, &options)
	server := control.Start(t, options)
	control.Settle(t, server)
	for _, w := range e.Workloads {
		if !w.Proxy {
			continue
		}
		one, err := e.envoy(server, w)
		if err != nil {
			return err
		}
		e.All = append(e.All, one)
	}
	slices.SortStableFunc(e.All, func(a, b *Envoy) int { return rank(a) - rank(b) })
	return nil
}

// ownService returns the Service that every cluster has. Istio translates no Gateway before
// its first push, waits for the Gateways before it is ready, and a Service has it push.
func ownService() *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: "kubernetes", Namespace: "default"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: 443}}},
	}
}

func rank(e *Envoy) int {
	if e.Gateway {
		return 0
	}
	return 1
}

// addOthers gives the control plane the objects that are not completed here, and the
// namespaces that nothing declares.
func (e *Envoys) addOthers(m *Manifests, options *control.Options) {
	spaces := map[string]bool{}
	for _, o := range m.Objects {
		spaces[o.Namespace] = true
		switch k := o.Kube.(type) {
		case nil:
			options.Configs = append(options.Configs, numbered(completed(*o.Istio)))
		case *corev1.Namespace, *corev1.Secret, *corev1.ConfigMap, *gatewayv1.Gateway, *gatewayv1.HTTPRoute, *gatewayv1.GRPCRoute, *gatewayv1.TLSRoute, *gatewayv1.GatewayClass,
			*gatewayv1beta1.ReferenceGrant:
			if !isWaypoint(k) {
				options.Objects = append(options.Objects, unnamed(k))
			}
		}
	}
	for _, o := range e.taken {
		spaces[o.Namespace] = true
		options.Configs = append(options.Configs, completed(*o.Istio))
	}
	for _, w := range e.Workloads {
		spaces[w.Namespace] = true
	}
	for name := range spaces {
		if name != "" && e.namespaces[name] == nil {
			options.Objects = append(options.Objects, &corev1.Namespace{
				TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
				ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/metadata.name": name}},
			})
		}
	}
}

// isWaypoint reports whether an object is a Gateway that Istio makes a waypoint of, which is
// not modelled.
func isWaypoint(o runtime.Object) bool {
	g, is := o.(*gatewayv1.Gateway)
	return is && g.Spec.GatewayClassName == "istio-waypoint"
}

// translated reports whether Istio translates a Gateway, by its class: those of other
// controllers never come.
func (m *Manifests) translated(g *gatewayv1.Gateway) bool {
	class := g.Spec.GatewayClassName
	return !isWaypoint(g) && (strings.HasPrefix(string(class), "istio") || slices.ContainsFunc(m.Objects, func(o *Object) bool {
		c, is := o.Kube.(*gatewayv1.GatewayClass)
		return is && c.Name == string(class) && strings.HasPrefix(string(c.Spec.ControllerName), "istio.io/")
	}))
}

func completed(c config.Config) config.Config {
	c.Domain = control.Domain
	return c
}

// envoy returns the configuration of the Envoy of a workload.
func (e *Envoys) envoy(server *xds.FakeDiscoveryServer, w *Workload) (*Envoy, error) {
	proxy := &model.Proxy{
		ID: w.podName() + "." + w.Namespace, Type: model.SidecarProxy, ConfigNamespace: w.Namespace,
		IPAddresses: []string{w.address.String()}, Labels: w.Labels, DNSDomain: w.Namespace + ".svc." + control.Domain,
		Metadata: &model.NodeMetadata{
			Namespace: w.Namespace, Labels: w.Labels, Annotations: w.Notes, IstioVersion: control.Version, WorkloadName: w.Name,
			ClusterID: cluster.ID(constants.DefaultClusterName), InterceptionMode: model.InterceptionRedirect,
		},
	}
	if w.Gateway {
		proxy.Type = model.Router
	}
	proxy = server.SetupProxy(proxy)
	listeners := server.Listeners(proxy)
	one := &Envoy{Workload: w, endpoints: map[string][]*Workload{}}
	var all []proto.Message
	for _, l := range listeners {
		all = append(all, l)
	}
	for _, r := range server.RoutesFromListeners(proxy, listeners) {
		all = append(all, r)
	}
	for _, c := range server.Clusters(proxy) {
		all = append(all, c)
	}
	if err := one.read(all, e.extensions()); err != nil {
		return nil, fmt.Errorf("Envoy of %s: %w", w, err)
	}
	one.Config.AllClusters = true
	for _, a := range server.Endpoints(proxy) {
		one.endpoints[a.GetClusterName()] = e.behind(a)
	}
	e.findOrigins(one)
	return one, nil
}

// behind returns the workloads that the endpoints of a cluster are.
func (e *Envoys) behind(a *endpointv3.ClusterLoadAssignment) (all []*Workload) {
	for _, l := range a.GetEndpoints() {
		for _, at := range l.GetLbEndpoints() {
			ip := at.GetEndpoint().GetAddress().GetSocketAddress().GetAddress()
			for _, w := range e.Workloads {
				if w.address.String() == ip && !slices.Contains(all, w) {
					all = append(all, w)
				}
			}
		}
	}
	return all
}

// read reads the configuration that messages are.
func (one *Envoy) read(messages []proto.Message, extensions map[string]any) error {
	var resources []any
	for _, m := range messages {
		packed, err := anypb.New(m)
		if err != nil {
			return err
		}
		text, err := protojson.Marshal(packed)
		if err != nil {
			return err
		}
		var resource any
		if err := json.Unmarshal(text, &resource); err != nil {
			return err
		}
		unnumber(resource)
		discover(resource, extensions)
		resources = append(resources, resource)
	}
	text, err := json.MarshalIndent(map[string]any{"resources": resources}, "", " ")
	if err != nil {
		return err
	}
	one.Text = text
	docs, problems := source.Documents("Envoy of "+one.String(), one.Text, len(one.Text)+1)
	if err := problems.Err(); err != nil {
		return err
	}
	one.Config, _ = envoyconf.Read(docs)
	return nil
}

// extensions are the configurations of filters that EnvoyFilters add for discovery, by
// their names.
func (e *Envoys) extensions() map[string]any {
	all := map[string]any{}
	for _, o := range e.manifests.Objects {
		spec, is := istioSpec[*networking.EnvoyFilter](o)
		if !is {
			continue
		}
		for _, p := range spec.GetConfigPatches() {
			if p.GetApplyTo() == networking.EnvoyFilter_EXTENSION_CONFIG {
				value := p.GetPatch().GetValue().AsMap()
				name, _ := value["name"].(string)
				for _, key := range []string{"typed_config", "typedConfig"} {
					if config, has := value[key]; has {
						all[name] = config
					}
				}
			}
		}
	}
	return all
}

// discover puts the configurations of filters in place of where Envoy would ask for them.
func discover(v any, extensions map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		name, _ := v["name"].(string)
		if config := extensions[name]; config != nil && v["configDiscovery"] != nil {
			delete(v, "configDiscovery")
			v["typedConfig"] = config
		}
		for _, inner := range v {
			discover(inner, extensions)
		}
	case []any:
		for _, inner := range v {
			discover(inner, extensions)
		}
	}
}
