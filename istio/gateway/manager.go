package gateway

import (
	"fmt"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
)

// manager returns what an HTTP connection manager needs around the filter. Merged into
// another, or with routes and filters of its own, it is a whole.
func manager(h headers, b Behaviour) (*hcmv3.HttpConnectionManager, error) {
	m := &hcmv3.HttpConnectionManager{
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{MaxHeadersCount: wrapperspb.UInt32(contract.GatewayMaxHeaders)},
		MaxRequestHeadersKb:       wrapperspb.UInt32(contract.GatewayMaxHeaderKB),
	}
	var mutations []*mutationv3.HeaderMutation
	for _, matcher := range h.stripped(b.StripClientBaggage) {
		mutations = append(mutations, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_RemoveOnMatch_{
			RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{KeyMatcher: matcher},
		}})
	}
	if len(mutations) > 0 {
		strip, err := envoyfilter.Pack(&earlyv3.HeaderMutation{Mutations: mutations})
		if err != nil {
			return nil, err
		}
		m.EarlyHeaderMutationExtensions = []*corev3.TypedExtensionConfig{{Name: "strip_forged_tags", TypedConfig: strip}}
	}
	return m, envoyfilter.Validate(m.CommonHttpProtocolOptions)
}

// managerFilter returns the network filter that is a connection manager, with comments on
// what manager set.
func managerFilter(m *hcmv3.HttpConnectionManager, h headers, b Behaviour) (*manifest.Tree, error) {
	config, err := envoyfilter.PackPart(m)
	if err != nil {
		return nil, err
	}
	filter := manifest.NewTree(&listenerv3.Filter{
		Name:       contract.ConnectionManager,
		ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: config},
	}, true)
	if b.DataPath == Lua {
		filter.Comment("Above the defaults of 100 headers and 60 KiB, so that tags fit beside what clients send.", envoyfilter.TypedConfig, "common_http_protocol_options")
	} else {
		filter.Comment("Above the defaults of 100 headers and 60 KiB. Where a tag takes a request over a\n"+
			"limit, Envoy answers 500 whatever failure_mode_allow says, and tagproc cannot\n"+
			"count what it is not sent. `tagproc serve` is told the same limits:\n"+
			fmt.Sprintf("--max-request-headers %d --max-request-headers-kb %d.", contract.GatewayMaxHeaders, contract.GatewayMaxHeaderKB),
			envoyfilter.TypedConfig, "common_http_protocol_options")
	}
	if len(m.GetEarlyHeaderMutationExtensions()) > 0 {
		filter.Comment(early(h, b), envoyfilter.TypedConfig, "early_header_mutation_extensions")
	}
	return filter, nil
}

// early returns which headers of clients are removed, and why.
func early(h headers, b Behaviour) string {
	const wholeBaggage = "All baggage of clients is removed, other members than tags included, and so are\n" +
		"the headers that libraries take for it: no single member can be removed here, and\n" +
		"without this a dead tagproc lets a forged member choose routes behind the gateway."
	if h.trusted {
		return wholeBaggage
	}
	text := "What a client sends in " + h.described() + " goes before any\n" +
		"route is chosen, in every spelling of - as well: to CGI, WSGI and their like x_tag\n" +
		"and x-tag are one."
	if b.DataPath == ExtProc {
		text += " tagproc removes forged tags too; without this a dead tagproc\n" +
			"lets a forged tag choose the route."
	}
	switch {
	case b.StripClientBaggage:
		text += "\n\n" + wholeBaggage
	case len(h.carriers) > 0:
		text += "\n\nSo do headers that carry a tag as one member of baggage each. Forged members of\nbaggage itself, which has members of others too, are removed by tagproc alone."
	}
	return text
}
