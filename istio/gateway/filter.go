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

// A call is how Envoy asks tagproc.
type call struct {
	Behaviour

	cluster   string // Envoy's name for tagproc
	authority string // "": the cluster's name
	several   bool   // there may be several tagprocs, and one that is lost is tried at another
}

// httpFilter returns the ext_proc filter.
func httpFilter(h headers, c call) (*manifest.Tree, error) {
	service := &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
		ClusterName:      c.cluster,
		Authority:        c.authority,
		SkipEnvoyHeaders: true,
	}}}
	if c.several {
		var err error
		if service.RetryPolicy, err = retryPolicy(); err != nil {
			return nil, err
		}
	}
	config := envoyfilter.ExternalProcessor(contract.GatewayFilter, service, h.mutable())
	config.ForwardRules = &extprocv3.HeaderForwardingRules{AllowedHeaders: &matcherv3.ListStringMatcher{Patterns: h.forwarded()}}
	config.FailureModeAllow = !c.FailClosed
	config.MessageTimeout = durationpb.New(c.Timeout)
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
	if c.FailClosed { // the default, which is better seen
		filter.Put(manifest.NewTree(wrapperspb.Bool(false), true), "failure_mode_allow", envoyfilter.TypedConfig)
	}
	commentFilter(filter, h, c)
	return filter, nil
}

// commentFilter adds comments that say why each important line is there.
func commentFilter(filter *manifest.Tree, h headers, c call) {
	if c.several {
		filter.Comment("A tagproc that is killed takes the requests on its connection with it. One\n"+
			"retry, at another one, saves them, and costs Envoy 8% all the time.",
			envoyfilter.TypedConfig, "grpc_service", "retry_policy")
	}
	if c.FailClosed {
		filter.Comment("A request that tagproc does not answer within message_timeout is answered by Envoy with\n"+
			"500 or 504. It does not reach the baseline.", envoyfilter.TypedConfig, "failure_mode_allow")
	} else {
		filter.Comment("A request that tagproc does not answer within message_timeout goes on untagged, to the\nbaseline.",
			envoyfilter.TypedConfig, "failure_mode_allow")
	}
	filter.Comment("Only the request's headers. The default for response headers is a second round\n"+
		"trip for every request.", envoyfilter.TypedConfig, "processing_mode")
	filter.Comment("What tagproc may change: "+h.described()+". Any other\n"+
		"change is dropped without an error and counted in rejected_header_mutations.", envoyfilter.TypedConfig, "mutation_rules")
	filter.Comment(h.sent(), envoyfilter.TypedConfig, "forward_rules")
	filter.Comment("tagproc never answers in the place of an application, and an attacker who takes it\nover cannot either.",
		envoyfilter.TypedConfig, "disable_immediate_response")
	metadata := "What `tagproc serve --metadata` says of its decisions, for access logs."
	if h.visitors > 0 {
		metadata += " And\nids of visitors, for the filter before this one: never log that namespace."
	}
	filter.Comment(metadata, envoyfilter.TypedConfig, "metadata_options")
}

// sent says what tagproc is sent, and why.
func (h headers) sent() string {
	text := "What tagproc is sent: "
	if len(h.keys) > 0 {
		looked := "the headers that hold the users' ids"
		if !h.onlyKeys {
			looked = "what the rules look at, which is where the users' ids are,\nand what requests they are for"
		}
		text += looked + "; "
	}
	text += h.described() + ",\nso that forged ones can be removed"
	if len(h.carriers) > 0 {
		text += "; and baggage, whose members are tags as\nwell: propagation of the rules"
	}
	return text + "."
}

// retryPolicy returns how Envoy retries a lost stream at another tagproc. At a socket, or
// a single address, it would cost Envoy 8% of its CPU and save nothing.
func retryPolicy() (*corev3.RetryPolicy, error) {
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
