package lint

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
)

// unknownCluster finds an ext_proc filter that asks a cluster which is not there: Envoy
// passes each request untagged, without a word. Which clusters a control plane adds to
// those of patches is not known here.
func unknownCluster(m *Model, s *Side, found found) {
	for _, f := range s.Filters {
		name := f.Cluster()
		if name == "" && f.GetGrpcService().GetGoogleGrpc() == nil {
			found(f.Config.Get("grpc_service"), "the filter names no cluster to ask", "name tagproc's cluster in grpc_service.envoy_grpc.cluster_name")
			continue
		}
		if name == "" || s.Patches || s.Open || s.Cluster(name) != nil {
			continue
		}
		var names []string
		for _, c := range s.Clusters {
			names = append(names, c.GetName())
		}
		found(f.GRPC("cluster_name"), fmt.Sprintf("there is no cluster %q%s: tagproc is never asked, and every request goes on untagged", name, DidYouMean(name, names)),
			m.fix("add it to static_resources.clusters", "add it with applyTo: CLUSTER, or name the cluster of a Service: outbound|PORT||NAME.NAMESPACE.svc.cluster.local"))
	}
}

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// clusterHTTP2 finds a cluster for gRPC that speaks HTTP/1.1.
func clusterHTTP2(_ *Model, s *Side, found found) {
	for _, c := range s.Asked() {
		o := &httpv3.HttpProtocolOptions{}
		packed := c.GetTypedExtensionProtocolOptions()[httpOptions]
		if packed != nil && packed.UnmarshalTo(o) == nil && o.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil {
			continue
		}
		if c.At.Get("http2_protocol_options").Exists() {
			continue
		}
		found(c.At.Get(), "the cluster speaks HTTP/1.1, and gRPC is HTTP/2: no request to tagproc succeeds",
			"add typed_extension_protocol_options with explicit_http_config: {http2_protocol_options: {}}")
	}
}

// Defaults of Envoy's circuit breakers.
const (
	defaultMaxRequests = 1024
	defaultMaxRetries  = 3
)

// clusterLimits finds a cluster with Envoy's default bound of requests.
func clusterLimits(m *Model, s *Side, found found) {
	for _, c := range s.Asked() {
		thresholds := c.GetCircuitBreakers().GetThresholds()
		most := uint32(defaultMaxRequests)
		for _, t := range thresholds {
			most = max(most, t.GetMaxRequests().GetValue())
		}
		if most <= defaultMaxRequests {
			found(c.At.Get("circuit_breakers"), fmt.Sprintf("with %d requests in flight at tagproc the next one passes untagged", most), "add circuit_breakers with a threshold of max_requests: 10000")
		}
		for _, t := range thresholds {
			if f := s.retrying(c); f != nil && t.GetMaxRetries().GetValue() <= defaultMaxRetries {
				found(c.At.Get("circuit_breakers"), fmt.Sprintf("the filter at %s retries, and at most %d retries run at once", m.place(f.GRPC()), defaultMaxRetries), "add max_retries: 1000")
				break
			}
		}
	}
}

// retrying returns a filter that asks a cluster and retries, or nil.
func (s *Side) retrying(c *Cluster) *Filter {
	for _, f := range s.Filters {
		if f.Cluster() == c.GetName() && f.retryPolicy() != nil {
			return f
		}
	}
	return nil
}

func (f *Filter) retryPolicy() *corev3.RetryPolicy {
	g := f.GetGrpcService()
	if p := g.GetRetryPolicy(); p != nil {
		return p
	}
	return g.GetEnvoyGrpc().GetRetryPolicy()
}

// retry finds a retry policy that does nothing.
func retry(_ *Model, s *Side, found found) {
	for _, f := range s.Filters {
		p := f.retryPolicy()
		if p == nil || p.GetRetryOn() != "" {
			continue
		}
		at := f.Config.Get("grpc_service", "retry_policy")
		if f.GetGrpcService().GetRetryPolicy() == nil {
			at = f.GRPC("retry_policy")
		}
		found(at, "without retry_on nothing is retried", "add retry_on: connect-failure,refused-stream,reset,unavailable")
	}
}
