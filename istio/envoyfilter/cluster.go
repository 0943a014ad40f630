package envoyfilter

import (
	"slices"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tagproc/tagproc/istio/manifest"
)

// The most that may be at tagproc at a time.
const (
	maxRequests = 10_000
	maxRetries  = 1_000
)

const protocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// Several reports whether there may be several servers at the endpoints: there are
// several, or one is a name.
func Several(at []Endpoint) bool { return len(at) > 1 || slices.ContainsFunc(at, Endpoint.IsName) }

// Cluster returns a cluster of endpoints, with all addresses that those have which are
// names. A name beside a Unix socket is not valid.
func Cluster(name string, at ...Endpoint) *clusterv3.Cluster {
	var endpoints []*endpointv3.LbEndpoint
	for _, e := range at {
		endpoints = append(endpoints, &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: e.Address()}},
		})
	}
	c := &clusterv3.Cluster{
		Name: name,
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints:   []*endpointv3.LocalityLbEndpoints{{LbEndpoints: endpoints}},
		},
	}
	if slices.ContainsFunc(at, Endpoint.IsName) {
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STRICT_DNS}
		c.DnsLookupFamily = clusterv3.Cluster_ALL // the default takes an IPv6 address that nobody may listen on
	}
	return c
}

// GRPCCluster is Cluster of endpoints that speak gRPC.
func GRPCCluster(name string, at ...Endpoint) (*clusterv3.Cluster, error) {
	http2, err := Pack(&httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
				},
			},
		},
	})
	if err != nil {
		return nil, err
	}
	c := Cluster(name, at...)
	c.ConnectTimeout = durationpb.New(time.Second)
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{protocolOptions: http2}
	return c, Validate(c)
}

// ExtProcCluster returns the cluster of a tagproc, which may be asked about thousands of
// requests at a time.
func ExtProcCluster(name string, at ...Endpoint) (*clusterv3.Cluster, error) {
	c, err := GRPCCluster(name, at...)
	if err != nil {
		return nil, err
	}
	bounds := &clusterv3.CircuitBreakers_Thresholds{
		MaxPendingRequests: wrapperspb.UInt32(maxRequests),
		MaxRequests:        wrapperspb.UInt32(maxRequests),
	}
	if Several(at) { // retries go to another one
		bounds.MaxRetries = wrapperspb.UInt32(maxRetries)
	}
	c.CircuitBreakers = &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{bounds}}
	return c, Validate(c)
}

// CommentExtProcCluster adds comments to a cluster that ExtProcCluster returned.
func CommentExtProcCluster(c *manifest.Tree) *manifest.Tree {
	return c.
		Comment("Every request in flight at ext_proc counts here. By default the 1,025th passes\nuntagged.", "circuit_breakers").
		Comment("gRPC is HTTP/2.", "typed_extension_protocol_options")
}

// SocketCluster returns a cluster for a Unix socket, which Istio does not have. mounted is
// a comment that says where the path must be mounted.
func SocketCluster(name, path, mounted string) (*manifest.Tree, error) {
	c, err := ExtProcCluster(name, Endpoint{Socket: path})
	if err != nil {
		return nil, err
	}
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	return CommentExtProcCluster(manifest.NewTree(c, true)).Comment(mounted, "load_assignment"), nil
}
