package envoyconf

import (
	"fmt"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/tagproc/tagproc/source"
)

// Kinds of problems of configurations.
const (
	KindNotEnvoy     source.Kind = "not-envoy"     // no configuration of Envoy
	KindUnknownField source.Kind = "unknown-field" // a field that Envoy's types do not have
	KindUnknownType  source.Kind = "unknown-type"  // an @type that is not known here
	KindNoRoutes     source.Kind = "no-routes"     // routes that a control plane sends, and that the files do not have
)

// Is reports whether v is a configuration of Envoy, or a part of one.
func Is(v source.Value) bool { return kindOf(v) != nothing }

// Read reads the configuration of one Envoy from documents: bootstraps, config dumps,
// answers of discovery services, lists, and single listeners, route configurations and
// clusters. It reports what is no configuration, and, as warnings, what the model does
// not know. The Config is never nil and has what could be read.
func Read(docs []*source.Document) (*Config, source.Problems) {
	r := &reader{config: &Config{}}
	for _, d := range docs {
		r.document(d.Value)
	}
	r.join()
	return r.config, r.problems.Sort()
}

type reader struct {
	config   *Config
	problems source.Problems
}

func (r *reader) problem(v source.Value, s source.Severity, k source.Kind, format string, args ...any) {
	r.problems = append(r.problems, v.Problem(s, k, fmt.Sprintf(format, args...)))
}

// A kind is a sort of configuration.
type kind uint8

const (
	nothing kind = iota
	bootstrap
	dump
	discovery
	several
	listener
	routes
	cluster
)

// types are the kinds of what says its type.
var types = map[string]kind{
	"envoy.config.bootstrap.v3.Bootstrap":              bootstrap,
	"envoy.config.listener.v3.Listener":                listener,
	"envoy.config.route.v3.RouteConfiguration":         routes,
	"envoy.config.cluster.v3.Cluster":                  cluster,
	"envoy.service.discovery.v3.DiscoveryResponse":     discovery,
	"envoy.admin.v3.ConfigDump":                        dump,
	"envoy.config.endpoint.v3.ClusterLoadAssignment":   nothing,
	"envoy.extensions.transport_sockets.tls.v3.Secret": nothing,
}

// kindOf returns what v is, by its type or by the fields that it has.
func kindOf(v source.Value) kind {
	if v.IsList() {
		if first := v.Get(0); kindOf(first) != nothing {
			return several
		}
		return nothing
	}
	if name := v.Text("@type"); name != "" {
		return types[typeName(name)]
	}
	has := func(fields ...string) bool {
		for _, f := range fields {
			if get(v, f).Exists() {
				return true
			}
		}
		return false
	}
	switch {
	case has("apiVersion"): // an object of Kubernetes
		return nothing
	case get(v, "configs").IsList():
		return dump
	case has("static_resources", "dynamic_resources"):
		return bootstrap
	case get(v, "resources").IsList():
		return discovery
	case get(v, "virtual_hosts").IsList():
		return routes
	case has("filter_chains", "default_filter_chain"):
		return listener
	case has("load_assignment", "eds_cluster_config", "lb_policy", "connect_timeout", "cluster_type"):
		return cluster
	}
	return nothing
}

func typeName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

func (r *reader) document(v source.Value) {
	switch kindOf(v) {
	case bootstrap:
		r.bootstrap(v)
	case dump:
		r.dump(v)
	case discovery:
		for _, e := range get(v, "resources").Elements() {
			r.resource(e)
		}
	case several:
		for _, e := range v.Elements() {
			r.document(e)
		}
	case listener:
		r.listener(v)
	case routes:
		r.config.Routes = append(r.config.Routes, r.routeConfig(v))
	case cluster:
		r.cluster(v)
	default:
		r.problem(v, source.Error, KindNotEnvoy, "%s is no configuration of Envoy; expected a bootstrap (static_resources), what GET /config_dump of the admin port returns (configs), or a listener, a route configuration or a cluster", v.Describe())
	}
}

// resource reads a resource of a discovery service.
func (r *reader) resource(v source.Value) {
	if inner := get(v, "resource"); inner.Exists() { // with a name and a version around it
		v = inner
	}
	if kindOf(v) != nothing {
		r.document(v)
	}
}

func (r *reader) bootstrap(v source.Value) {
	static := get(v, "static_resources")
	for _, e := range get(static, "listeners").Elements() {
		r.listener(e)
	}
	for _, e := range get(static, "clusters").Elements() {
		r.cluster(e)
	}
	dynamic := get(v, "dynamic_resources")
	r.config.AllClusters = !get(dynamic, "cds_config").Exists() && !get(dynamic, "ads_config").Exists()
}

// dump reads what the admin port returns. The bootstrap in it repeats what stands
// elsewhere, and routes that are not dynamic stand in their listeners.
func (r *reader) dump(v source.Value) {
	for _, c := range get(v, "configs").Elements() {
		switch typeName(c.Text("@type")) {
		case "envoy.admin.v3.ListenersConfigDump":
			for _, e := range get(c, "static_listeners").Elements() {
				r.listener(get(e, "listener"))
			}
			for _, e := range get(c, "dynamic_listeners").Elements() {
				if l := get(e, "active_state", "listener"); l.Exists() {
					r.listener(l)
				}
			}
		case "envoy.admin.v3.ClustersConfigDump":
			r.config.AllClusters = true
			for _, field := range []string{"static_clusters", "dynamic_active_clusters"} {
				for _, e := range get(c, field).Elements() {
					r.cluster(get(e, "cluster"))
				}
			}
		case "envoy.admin.v3.RoutesConfigDump":
			for _, e := range get(c, "dynamic_route_configs").Elements() {
				r.config.Routes = append(r.config.Routes, r.routeConfig(get(e, "route_config")))
			}
		}
	}
}

func (r *reader) cluster(v source.Value) {
	c := &Cluster{Cluster: &clusterv3.Cluster{}}
	c.part = r.message(v, c.Cluster)
	r.config.Clusters = append(r.config.Clusters, c)
}

// get returns what stands at path below v. A key may be written as in the proto file or
// as in JSON.
func get(v source.Value, path ...any) source.Value {
	for _, step := range path {
		next := v.Get(step)
		if name, is := step.(string); is && !next.Exists() {
			if other := v.Get(camel(name)); other.Exists() {
				next = other
			}
		}
		v = next
	}
	return v
}

// camel returns the name of a field in JSON.
func camel(name string) string {
	var b strings.Builder
	words := strings.Split(name, "_")
	for i, w := range words {
		if i > 0 && w != "" {
			w = strings.ToUpper(w[:1]) + w[1:]
		}
		b.WriteString(w)
	}
	return b.String()
}
