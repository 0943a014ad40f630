package envoyfilter

import (
	"time"

	mutationrulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// ExtProcTimeout is how long a request waits for tagproc by default.
const ExtProcTimeout = 200 * time.Millisecond

// ExternalProcessor returns the configuration of an ext_proc filter that asks tagproc
// about the headers of requests. tagproc gets all of them, may change those that match
// the expression mutable, and cannot answer the client itself. A request that tagproc
// does not answer passes unchanged.
func ExternalProcessor(statPrefix string, service *corev3.GrpcService, mutable string) *extprocv3.ExternalProcessor {
	return &extprocv3.ExternalProcessor{
		GrpcService:      service,
		FailureModeAllow: true,
		ProcessingMode: &extprocv3.ProcessingMode{
			RequestHeaderMode:   extprocv3.ProcessingMode_SEND,
			ResponseHeaderMode:  extprocv3.ProcessingMode_SKIP,
			RequestTrailerMode:  extprocv3.ProcessingMode_SKIP,
			ResponseTrailerMode: extprocv3.ProcessingMode_SKIP,
		},
		MessageTimeout: durationpb.New(ExtProcTimeout),
		StatPrefix:     statPrefix,
		MutationRules: &mutationrulesv3.HeaderMutationRules{
			DisallowAll:     wrapperspb.Bool(true),
			AllowExpression: &matcherv3.RegexMatcher{Regex: mutable},
		},
		DisableImmediateResponse: true,
	}
}
