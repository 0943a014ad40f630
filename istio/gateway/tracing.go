package gateway

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// tracingCluster is the name of the cluster of the collector.
const tracingCluster = "tracing"

// A spanTag is what a span says of a decision: its name there, and where the dynamic
// metadata of tagproc has it.
type spanTag struct {
	name string
	path []string
}

// spanTags returns what spans say: the digest, the outcome, and of each rule the tag, the
// bucket and the reason. None is the id of a user.
func spanTags(t *rules.Table) []spanTag {
	tags := []spanTag{{"tagproc.digest", []string{"rulesDigest"}}, {"tagproc.outcome", []string{"outcome"}}}
	for _, r := range t.Rules() {
		for _, field := range []string{"tag", "bucket", "reason"} {
			tags = append(tags, spanTag{"tagproc." + r.Name + "." + field, []string{"rules", r.Name, field}})
		}
	}
	return tags
}

// tracing returns how Envoy tells a collector of OpenTelemetry of its requests. A span has
// no tag for what a rule did not decide.
func tracing(t *rules.Table) (*hcmv3.HttpConnectionManager_Tracing, error) {
	config, err := envoyfilter.Pack(&tracev3.OpenTelemetryConfig{
		GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: tracingCluster},
		}},
		ServiceName: ingress,
	})
	if err != nil {
		return nil, err
	}
	result := &hcmv3.HttpConnectionManager_Tracing{Provider: &tracev3.Tracing_Http{
		Name: "envoy.tracers.opentelemetry", ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: config},
	}}
	for _, tag := range spanTags(t) {
		key := &metadatav3.MetadataKey{Key: contract.MetadataNamespace}
		for _, name := range tag.path {
			key.Path = append(key.Path, &metadatav3.MetadataKey_PathSegment{Segment: &metadatav3.MetadataKey_PathSegment_Key{Key: name}})
		}
		result.CustomTags = append(result.CustomTags, &tracingv3.CustomTag{Tag: tag.name, Type: &tracingv3.CustomTag_Metadata_{
			Metadata: &tracingv3.CustomTag_Metadata{
				Kind:        &metadatav3.MetadataKind{Kind: &metadatav3.MetadataKind_Request_{Request: &metadatav3.MetadataKind_Request{}}},
				MetadataKey: key,
			},
		}})
	}
	return result, envoyfilter.Validate(result)
}

// collector returns the cluster of the collector.
func collector(at envoyfilter.Endpoint) (*manifest.Tree, error) {
	c, err := envoyfilter.GRPCCluster(tracingCluster, at)
	if err != nil {
		return nil, err
	}
	return manifest.NewTree(c, true).Comment("gRPC is HTTP/2.", "typed_extension_protocol_options"), nil
}
