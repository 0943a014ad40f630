package lint

import (
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"

	"github.com/tagproc/tagproc/contract"
)

// cluster returns the cluster of a name that an EnvoyFilter adds, or nil.
func (m *model) cluster(name string) *cluster {
	for _, c := range m.clusters {
		if c.config.GetName() == name {
			return c
		}
	}
	return nil
}

// asked returns the clusters that ext_proc filters ask and EnvoyFilters add.
func (m *model) asked() (cs []*cluster) {
	for _, f := range m.filters {
		if c := m.cluster(f.cluster()); c != nil && !slices.Contains(cs, c) {
			cs = append(cs, c)
		}
	}
	return cs
}

// grpc returns the place of a part of how the filter asks.
func (f *extProc) grpc(path ...any) place {
	return f.part("grpc_service", "envoy_grpc").in(path...)
}

// bootstrap are the clusters that every Envoy of Istio has.
var bootstrap = []string{"xds-grpc", "sds-grpc", "agent", "prometheus_stats", "zipkin", "PassthroughCluster", "BlackHoleCluster"}

// unknownCluster finds an ext_proc filter that asks a cluster which is not there:
// Envoy passes each request untagged, without a word.
func unknownCluster(m *model, found found) {
	for _, f := range m.filters {
		name, at := f.cluster(), f.grpc("cluster_name")
		o := parseOutbound(name)
		switch {
		case name == "" && f.config.GetGrpcService().GetGoogleGrpc() == nil:
			found(f.part("grpc_service"), "the filter names no cluster to ask", "name tagproc's cluster in grpc_service.envoy_grpc.cluster_name")
		case name == "" || slices.Contains(bootstrap, name):
		case o != nil:
			m.reportOutbound(o, at, found)
		case f.bare && m.openClusters() && m.cluster(name) == nil: // a control plane may have it
		case m.cluster(name) == nil:
			var names []string
			for _, c := range m.clusters {
				names = append(names, c.config.GetName())
			}
			fix := "add it with applyTo: CLUSTER"
			if host, port, ok := strings.Cut(name, ":"); ok || strings.Contains(name, ".") {
				if !ok {
					port = contract.DefaultPort
				}
				fix = fmt.Sprintf("for a Service write Istio's name of the cluster, outbound|%s||%s%s", port, strings.TrimSuffix(host, clusterDomain), clusterDomain)
			}
			if f.bare {
				found(at, fmt.Sprintf("there is no cluster %q%s: tagproc is never asked, and every request goes on untagged", name, didYouMean(name, names)), "add it to static_resources.clusters")
				continue
			}
			found(at, fmt.Sprintf("no EnvoyFilter adds a cluster %q%s: tagproc is never asked, and every request goes on untagged", name, didYouMean(name, names)), fix)
		}
	}
}

func (m *model) reportOutbound(o *outbound, at place, found found) {
	const gone = ": tagproc is never asked, and every request goes on untagged"
	s := m.service(o.host)
	if s != nil {
		var numbers []string
		for _, p := range s.Ports {
			numbers = append(numbers, fmt.Sprint(p.Port))
		}
		if !slices.Contains(numbers, o.port) {
			found(at, fmt.Sprintf("%s has no port %s, only %s%s", id(s.doc), o.port, list(numbers), gone), "write outbound|PORT||"+o.host+" with the port of the Service")
		}
		if o.subset != "" && !slices.Contains(m.subsetsOf(o.host), o.subset) && len(m.subsets) > 0 {
			found(at, fmt.Sprintf("no DestinationRule gives %s a subset %s%s", o.host, o.subset, gone), fmt.Sprintf("write outbound|%s||%s", o.port, o.host))
		}
		return
	}
	name, space := splitHost(o.host)
	for _, s := range m.services {
		if n, elsewhere := splitHost(s.host); n == name && space != "" {
			found(at, fmt.Sprintf("there is no Service %s in namespace %s%s", name, space, gone),
				fmt.Sprintf("the Service is in %s: render with --address %s.%s:%s", elsewhere, name, elsewhere, o.port))
			return
		}
	}
	m.reportHost(at, o.host, func(at place, why, fix string) { found(at, why+gone, fix) })
	if space == "" {
		found(at, fmt.Sprintf("Istio has no cluster for the host %s, which is not the full name of a Service%s", o.host, gone),
			fmt.Sprintf("write outbound|%s||NAME.NAMESPACE%s", o.port, clusterDomain))
	}
}

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// clusterHTTP2 finds a cluster for gRPC that speaks HTTP/1.1.
func clusterHTTP2(m *model, found found) {
	for _, c := range m.asked() {
		o := &httpv3.HttpProtocolOptions{}
		packed := c.config.GetTypedExtensionProtocolOptions()[httpOptions]
		if packed != nil && packed.UnmarshalTo(o) == nil && o.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil {
			continue
		}
		if c.value("http2_protocol_options").get().Exists() {
			continue
		}
		found(c.value(), "the cluster speaks HTTP/1.1, and gRPC is HTTP/2: no request to tagproc succeeds",
			"add typed_extension_protocol_options with explicit_http_config: {http2_protocol_options: {}}")
	}
}

// Defaults of Envoy's circuit breakers.
const (
	defaultMaxRequests = 1024
	defaultMaxRetries  = 3
)

// clusterLimits finds a cluster with Envoy's default bound of requests.
func clusterLimits(m *model, found found) {
	for _, c := range m.asked() {
		thresholds := c.config.GetCircuitBreakers().GetThresholds()
		most := uint32(defaultMaxRequests)
		for _, t := range thresholds {
			most = max(most, t.GetMaxRequests().GetValue())
		}
		if most <= defaultMaxRequests {
			found(c.value("circuit_breakers"), fmt.Sprintf("with %d requests in flight at tagproc the next one passes untagged", most), "add circuit_breakers with a threshold of max_requests: 10000")
		}
		for _, t := range thresholds {
			if f := m.retrying(c); f != nil && t.GetMaxRetries().GetValue() <= defaultMaxRetries {
				found(c.value("circuit_breakers"), fmt.Sprintf("the filter at %s retries, and at most %d retries run at once", f.grpc(), defaultMaxRetries), "add max_retries: 1000")
				break
			}
		}
	}
}

// retrying returns a filter that asks a cluster and retries, or nil.
func (m *model) retrying(c *cluster) *extProc {
	for _, f := range m.filters {
		if f.cluster() == c.config.GetName() && f.retryPolicy() != nil {
			return f
		}
	}
	return nil
}

func (f *extProc) retryPolicy() *corev3.RetryPolicy {
	g := f.config.GetGrpcService()
	if p := g.GetRetryPolicy(); p != nil {
		return p
	}
	return g.GetEnvoyGrpc().GetRetryPolicy()
}

// retry finds a retry policy that does nothing.
func retry(m *model, found found) {
	for _, f := range m.filters {
		p := f.retryPolicy()
		if p == nil || p.GetRetryOn() != "" {
			continue
		}
		at := f.part("grpc_service", "retry_policy")
		if f.config.GetGrpcService().GetRetryPolicy() == nil {
			at = f.grpc("retry_policy")
		}
		found(at, "without retry_on nothing is retried", "add retry_on: connect-failure,refused-stream,reset,unavailable")
	}
}
