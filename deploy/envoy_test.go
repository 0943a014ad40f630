package deploy

import (
	"os"
	"slices"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
)

func unpack[M proto.Message](t *testing.T, packed *anypb.Any, m M) M {
	t.Helper()
	if err := packed.UnmarshalTo(m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestEnvoySettings checks the settings that the example is there to show and that
// no request can detect: without any one of them, a measured loss follows.
func TestEnvoySettings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("envoy/envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b := envoytest.Bootstrap(t, string(text))
	var ingress *hcmv3.HttpConnectionManager
	for _, l := range b.StaticResources.Listeners {
		if l.EnableReusePort.GetValue() || l.EnableReusePort == nil {
			t.Errorf("listener %s shares its port with any other Envoy", l.Name)
		}
		if l.Name == "ingress" {
			ingress = unpack(t, l.FilterChains[0].Filters[0].GetTypedConfig(), &hcmv3.HttpConnectionManager{})
		}
	}
	filter := ingress.GetHttpFilters()[0]
	if filter.Name != "tagproc" {
		t.Errorf("the first filter is %q, want one of a name of its own, tagproc", filter.Name)
	}
	p := unpack(t, filter.GetTypedConfig(), &extprocv3.ExternalProcessor{})
	for what, ok := range map[string]bool{
		"a dead tagproc lets requests pass":            p.FailureModeAllow,
		"an answer is awaited for 200 ms":              p.MessageTimeout.AsDuration() == 200*time.Millisecond,
		"Envoy's own gRPC client is used":              p.GrpcService.GetEnvoyGrpc().GetClusterName() == "tagproc",
		"nothing is tried again where there is nobody": p.GrpcService.GetRetryPolicy() == nil,
		"request headers are sent":                     p.ProcessingMode.RequestHeaderMode == extprocv3.ProcessingMode_SEND,
		"response headers are not":                     p.ProcessingMode.ResponseHeaderMode == extprocv3.ProcessingMode_SKIP,
		"request trailers are not":                     p.ProcessingMode.RequestTrailerMode == extprocv3.ProcessingMode_SKIP,
		"response trailers are not":                    p.ProcessingMode.ResponseTrailerMode == extprocv3.ProcessingMode_SKIP,
		"bodies are not":                               p.ProcessingMode.RequestBodyMode == extprocv3.ProcessingMode_NONE && p.ProcessingMode.ResponseBodyMode == extprocv3.ProcessingMode_NONE,
		"tagproc gets keys and owned headers":          len(p.ForwardRules.GetAllowedHeaders().GetPatterns()) == 3,
		"tagproc may change owned headers alone":       p.MutationRules.GetDisallowAll().GetValue() && p.MutationRules.GetAllowExpression().GetRegex() != "",
		"tagproc cannot answer for an application":     p.DisableImmediateResponse,
		"tagproc cannot ask for more":                  !p.AllowModeOverride && len(p.AllowedOverrideModes) == 0 && p.MaxMessageTimeout == nil,
		"tagproc's metadata is taken, no other":        slices.Equal(p.MetadataOptions.GetReceivingNamespaces().GetUntyped(), []string{"tagproc"}) && len(p.MetadataOptions.GetReceivingNamespaces().GetTyped()) == 0,
		"forged tags are stripped early":               len(ingress.EarlyHeaderMutationExtensions) == 1,
		"more headers pass than by default":            ingress.CommonHttpProtocolOptions.GetMaxHeadersCount().GetValue() > 100 && ingress.MaxRequestHeadersKb.GetValue() > 60,
	} {
		if !ok {
			t.Errorf("it does not ensure that %s", what)
		}
	}

	var tagproc *clusterv3.Cluster
	for _, c := range b.StaticResources.Clusters {
		if c.Name == "tagproc" {
			tagproc = c
		}
	}
	options := unpack(t, tagproc.TypedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"], &httpv3.HttpProtocolOptions{})
	if options.GetExplicitHttpConfig().GetHttp2ProtocolOptions() == nil {
		t.Error("the cluster tagproc does not speak HTTP/2")
	}
	thresholds := tagproc.GetCircuitBreakers().GetThresholds()
	if len(thresholds) != 1 || thresholds[0].MaxRequests.GetValue() <= 1024 || thresholds[0].MaxPendingRequests.GetValue() <= 1024 {
		t.Errorf("the circuit breakers of the cluster tagproc are %v, want more than the default of 1,024 requests", thresholds)
	}
}
