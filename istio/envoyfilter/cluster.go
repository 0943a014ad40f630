package envoyfilter

import (
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

// maxRequests is the most requests that may be at tagproc at a time.
const maxRequests = 10_000

const protocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// SocketCluster returns a cluster for a Unix socket, which Istio does not have. mounted is
// a comment that says where the path must be mounted.
func SocketCluster(name, path, mounted string) (*manifest.Tree, error) {
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
	c := &clusterv3.Cluster{
		Name:                          name,
		ClusterDiscoveryType:          &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:                durationpb.New(time.Second),
		TypedExtensionProtocolOptions: map[string]*anypb.Any{protocolOptions: http2},
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxPendingRequests: wrapperspb.UInt32(maxRequests),
			MaxRequests:        wrapperspb.UInt32(maxRequests),
		}}},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
					Address: &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path}}},
				}},
			}}}},
		},
	}
	if err := Validate(c); err != nil {
		return nil, err
	}
	return manifest.NewTree(c, true).
		Comment("Every request in flight at ext_proc counts here. By default the 1,025th passes\nuntagged.", "circuit_breakers").
		Comment("gRPC is HTTP/2.", "typed_extension_protocol_options").
		Comment(mounted, "load_assignment"), nil
}
