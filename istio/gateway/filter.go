package gateway

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
)

// cluster returns Envoy's name for tagproc: the name of the cluster that is added for a
// socket, or of the one that Istio has for a port of a Service.
func cluster(a envoyfilter.Address) string {
	if a.Socket != "" {
		return contract.GatewayFilter
	}
	return a.ServiceCluster()
}

// httpFilter returns the ext_proc filter.
func httpFilter(h headers, s *settings) (*manifest.Tree, error) {
	grpc := &corev3.GrpcService_EnvoyGrpc{
		ClusterName:      cluster(s.address),
		Authority:        s.address.Service,
		SkipEnvoyHeaders: true,
	}
	retry, err := retryPolicy(s.address)
	if err != nil {
		return nil, err
	}
	config := envoyfilter.ExternalProcessor(contract.GatewayFilter, &corev3.GrpcService{
		TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: grpc},
		RetryPolicy:     retry,
	}, h.mutable())
	config.ForwardRules = &extprocv3.HeaderForwardingRules{AllowedHeaders: &matcherv3.ListStringMatcher{Patterns: h.forwarded()}}
	config.FailureModeAllow = !s.FailClosed
	config.MessageTimeout = durationpb.New(s.Timeout)
	config.MetadataOptions = &extprocv3.MetadataOptions{
		ReceivingNamespaces: &extprocv3.MetadataOptions_MetadataNamespaces{Untyped: []string{contract.MetadataNamespace}},
	}
	if h.visitors > 0 {
		namespaces := config.MetadataOptions.ReceivingNamespaces
		namespaces.Untyped = append(namespaces.Untyped, contract.VisitorNamespace)
	}
	filter, err := envoyfilter.HTTPFilter(contract.GatewayFilter, config)
	if err != nil {
		return nil, err
	}
	if s.FailClosed { // the default, which is better seen
		filter.Put(manifest.NewTree(wrapperspb.Bool(false), true), "failure_mode_allow", envoyfilter.TypedConfig)
	}
	commentFilter(filter, h, s)
	return filter, nil
}

// commentFilter adds comments that say why each important line is there.
func commentFilter(filter *manifest.Tree, h headers, s *settings) {
	filter.Comment("A name of its own: Istio looks for the usual one.", "name")

	if s.address.Socket == "" {
		filter.Comment("Istio's own cluster for this port of the Service: the pods that are\n"+
			"ready, mTLS, no bound of requests. To the Service's IP every stream\n"+
			"would go over one connection, to one pod.", envoyfilter.TypedConfig, "grpc_service", "envoy_grpc", "cluster_name")
		filter.Comment("Otherwise the cluster's name, which is not a host.", envoyfilter.TypedConfig, "grpc_service", "envoy_grpc", "authority")
		filter.Comment("A tagproc that is killed takes the requests on its connection with it. One\n"+
			"retry, at another one, saves them, and costs Envoy 8% all the time.",
			envoyfilter.TypedConfig, "grpc_service", "retry_policy")
	}
	filter.Comment("Leaves out two headers that tagproc has no use for.", envoyfilter.TypedConfig, "grpc_service", "envoy_grpc", "skip_envoy_headers")

	if s.FailClosed {
		filter.Comment("A request that tagproc does not answer in time is answered by Envoy with 500 or\n"+
			"504. It does not reach the baseline.", envoyfilter.TypedConfig, "failure_mode_allow")
	} else {
		filter.Comment("A request that tagproc does not answer in time goes on untagged, to the baseline.",
			envoyfilter.TypedConfig, "failure_mode_allow")
	}
	filter.Comment("Only the request's headers. The default for response headers is a second round\n"+
		"trip for every request.", envoyfilter.TypedConfig, "processing_mode")
	filter.Comment("How long a request waits for tagproc, which takes microseconds to decide.", envoyfilter.TypedConfig, "message_timeout")
	filter.Comment("What tagproc may change: "+h.described()+". Any other\n"+
		"change is dropped without an error and counted in rejected_header_mutations.", envoyfilter.TypedConfig, "mutation_rules")
	filter.Comment("What tagproc is sent.", envoyfilter.TypedConfig, "forward_rules")
	patterns := func(i int, text string) {
		filter.Comment(text, envoyfilter.TypedConfig, "forward_rules", "allowed_headers", "patterns", i)
	}
	if len(h.keys) > 0 {
		looked := "The headers that hold the users' ids."
		if !h.onlyKeys {
			looked = "What the rules look at: where the users' ids are, and what requests they are for."
		}
		patterns(0, looked)
	}
	if !h.owned.IsZero() {
		patterns(len(h.keys), "And "+h.described()+", so that forged ones can be removed.")
	}
	if len(h.carriers) > 0 {
		patterns(len(h.keys)+len(h.owned.Headers)+len(h.owned.Prefixes),
			"Members of baggage are tags as well: propagation of the rules.")
	}
	filter.Comment("tagproc never answers in the place of an application, and an attacker who takes it\nover cannot either.",
		envoyfilter.TypedConfig, "disable_immediate_response")
	filter.Comment("What `tagproc serve --metadata` says of its decisions, for access logs.", envoyfilter.TypedConfig, "metadata_options")
	if h.visitors > 0 {
		filter.Comment("Ids of visitors, for the filter before this one. Never log this namespace.",
			envoyfilter.TypedConfig, "metadata_options", "receiving_namespaces", "untyped", 1)
	}
}

// retryPolicy returns how Envoy retries a lost stream. At a socket no other tagproc could
// answer: a retry would cost Envoy 8% of its CPU and save nothing.
func retryPolicy(a envoyfilter.Address) (*corev3.RetryPolicy, error) {
	if a.Socket != "" {
		return nil, nil
	}
	previousHosts, err := envoyfilter.Pack(&previoushostsv3.PreviousHostsPredicate{})
	if err != nil {
		return nil, err
	}
	return &corev3.RetryPolicy{
		RetryOn:    "connect-failure,refused-stream,reset,unavailable",
		NumRetries: wrapperspb.UInt32(1),
		RetryHostPredicate: []*corev3.RetryPolicy_RetryHostPredicate{{
			Name:       "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &corev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: previousHosts},
		}},
		// Istio's clusters take the one of two random pods that has fewer requests, and
		// a dead one has none: of two pods three picks in four are the dead one. With 30
		// picks one retry in 5,600 finds nobody else.
		HostSelectionRetryMaxAttempts: 100,
		RetryBackOff: &corev3.BackoffStrategy{
			BaseInterval: durationpb.New(5 * time.Millisecond),
			MaxInterval:  durationpb.New(10 * time.Millisecond),
		},
	}, nil
}
