package propagation

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
)

// filterName returns the name of the HTTP filter, and the prefix of its counters.
func filterName(d contract.Direction) string { return contract.HopFilter + d.String() }

// luaFilter returns the filter that runs source.
func luaFilter(d contract.Direction, source string) (*manifest.Tree, error) {
	return envoyfilter.HTTPFilter(filterName(d), &luav3.Lua{
		StatPrefix:        filterName(d),
		DefaultSourceCode: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: source}},
	})
}

// extProcFilter returns the filter that asks tagproc, which may change the headers
// that the expression mutable matches. It is sent all headers: where it saw fewer than
// there are, it would add tags to a request that has room for none, and Envoy answers
// that with 500.
func extProcFilter(d contract.Direction, cluster, mutable string) (*manifest.Tree, error) {
	config := envoyfilter.ExternalProcessor(filterName(d), &corev3.GrpcService{
		TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
			ClusterName:      cluster,
			SkipEnvoyHeaders: true,
		}},
		InitialMetadata: []*corev3.HeaderValue{{Key: contract.DirectionKey, Value: d.String()}},
	}, mutable)
	filter, err := envoyfilter.HTTPFilter(filterName(d), config)
	if err != nil {
		return nil, err
	}
	at := func(path ...any) []any { return append([]any{envoyfilter.TypedConfig}, path...) }
	return filter.
		Comment("What tagproc is asked for.", at("grpc_service", "initial_metadata")...).
		Comment("A request that tagproc does not answer in time goes on as it is: to the baseline,\nif the application forwarded no tag.", at("failure_mode_allow")...).
		Comment("Only the request's headers.", at("processing_mode")...).
		Comment("What tagproc may change.", at("mutation_rules")...).
		Comment("tagproc never answers in the place of an application.", at("disable_immediate_response")...), nil
}
