package envoyconf

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/tagproc/tagproc/source"
)

// A Config is what one Envoy is configured with, as far as the files have it.
type Config struct {
	Listeners []*Listener
	Routes    []*RouteConfig // those that listeners name (RDS)
	Clusters  []*Cluster
	// AllClusters reports that Clusters are all clusters: a control plane adds none.
	AllClusters bool
}

// Cluster returns the cluster of a name, or nil.
func (c *Config) Cluster(name string) *Cluster {
	for _, cluster := range c.Clusters {
		if cluster.GetName() == name {
			return cluster
		}
	}
	return nil
}

// A part is a message and where it stands.
type part struct {
	source.Value

	// Doubt says why the message is not all that stands there: it has something that
	// the model does not know. "" means that it is.
	Doubt string
}

// At returns what stands at path below the part; each key is the name of a field in the
// proto file, in whichever of its two spellings it is written.
func (p part) At(path ...any) source.Value { return get(p.Value, path...) }

// A Listener is one listener.
type Listener struct {
	part
	*listenerv3.Listener

	Chains []*Chain // the default one last
}

// A Chain is a filter chain.
type Chain struct {
	part
	*listenerv3.FilterChain

	Default bool
	HTTP    *Manager // nil: the chain has no HTTP connection manager
}

// A Manager is an HTTP connection manager.
type Manager struct {
	part
	*hcmv3.HttpConnectionManager

	Filters []*Filter
	Routes  *RouteConfig // nil: it stands elsewhere, and NoRoutes says where
	// NoRoutes says why Routes is nil.
	NoRoutes string
}

// A Filter is an HTTP filter.
type Filter struct {
	part
	*hcmv3.HttpFilter

	Config proto.Message // nil: its type is not known
}

// A RouteConfig is a route configuration.
type RouteConfig struct {
	part
	*routev3.RouteConfiguration

	Hosts []*VirtualHost
}

// A VirtualHost is one of a route configuration.
type VirtualHost struct {
	part
	*routev3.VirtualHost

	Routes []*Route
}

// A Route is one of a virtual host.
type Route struct {
	part
	*routev3.Route

	Index int // its place in the virtual host, from 0
}

// A Cluster is one cluster.
type Cluster struct {
	part
	*clusterv3.Cluster
}

// An Override is what a route, its virtual host or its route configuration sets for a
// filter: the nearest one counts.
type Override struct {
	At     source.Value
	Config *anypb.Any // nil: its type is not known
}
