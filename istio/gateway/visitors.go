package gateway

import (
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
)

// visitorsFilter returns the filter that gives visitors their cookies: it writes the
// values that tagproc sends in metadata, if any, into the response.
func visitorsFilter(cookies int) (*manifest.Tree, error) {
	var mutations []*mutationv3.HeaderMutation
	add := func(header, key string) {
		mutations = append(mutations, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: header, Value: "%DYNAMIC_METADATA(" + contract.VisitorNamespace + ":" + key + ")%"},
			AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
		}}})
	}
	for i := range cookies {
		add("set-cookie", contract.SetCookieKey(i))
	}
	add("cache-control", contract.CacheControlKey)
	filter, err := envoyfilter.HTTPFilter(contract.VisitorFilter, &headermutationv3.HeaderMutation{
		Mutations: &headermutationv3.Mutations{ResponseMutations: mutations},
	})
	if err != nil {
		return nil, err
	}
	filter.Comment("Where tagproc gave a visitor an id in the reply to the request's headers, the\n"+
		"response has the cookie, and is for nobody else. Other responses have neither.", envoyfilter.TypedConfig, "mutations", "response_mutations")
	return filter, nil
}
