package lint

import (
	"github.com/tagproc/tagproc/source"
)

// Kinds of findings that reading gives, before any check. Those of rules files and
// of YAML have the kinds of rules and manifest.
const (
	kindUnknownField source.Kind = "unknown-field"
	kindUnknownType  source.Kind = "unknown-type"
	kindFilterType   source.Kind = "filter-type"
	kindDuplicate    source.Kind = "duplicate-object"

	kindUnknownDocument source.Kind = "unknown-document"

	kindKustomization source.Kind = "kustomization"
	kindTemplate      source.Kind = "template"
)

// checks are all that is looked for. An error does not work; a warning works until
// something else happens, or costs more than it has to.
var checks = []check{
	// Tags and the routes that match them.
	{"unrouted-tag", source.Error, []need{needRules, needRoutes}, unroutedTag},
	{"unrouted-set-tag", source.Error, []need{needRules, needRoutes}, unroutedSetTag},
	{"misspelt-tag", source.Error, []need{needRules, needRoutes}, misspeltTag},
	{"unwritten-tag", source.Warning, []need{needRules, needRoutes}, unwrittenTag},
	{"misspelt-header", source.Error, []need{needRules, needRoutes}, misspeltHeader},
	{"half-routed-tag", source.Error, []need{needRules, needRoutes}, halfRoutedTag},
	{"appended-tag", source.Error, []need{needRules, needRoutes}, appendedTag},
	{"removed-tag", source.Error, []need{needRules, needRoutes}, removedTag},
	{"late-named-users", source.Warning, []need{needRules, needRoutes}, lateNamedUsers},
	{"named-twice", source.Warning, []need{needRules, needRoutes}, namedTwice},

	// Routes among themselves.
	{"no-default-route", source.Error, []need{needRoutes}, noDefaultRoute},
	{"unreachable-route", source.Error, []need{needRoutes}, unreachableRoute},
	{"duplicate-route", source.Warning, []need{needRoutes}, duplicateRoute},
	{"two-virtual-services", source.Error, []need{needRoutes}, twoInMesh},
	{"merged-virtual-services", source.Warning, []need{needRoutes}, mergedAtGateway},
	{"random-version", source.Warning, []need{needRoutes}, randomVersion},

	// Hosts, subsets and pods.
	{"unknown-host", source.Error, []need{needServices}, unknownHost},
	{"route-port", source.Error, []need{needRoutes, needServices}, routePort},
	{"not-http", source.Error, []need{needRoutes, needServices}, notHTTP},
	{"unknown-subset", source.Error, []need{needRoutes, needSubsets}, unknownSubset},
	{"no-subset", source.Error, []need{needRoutes, needSubsets}, noSubset},
	{"duplicate-subset", source.Warning, []need{needSubsets}, duplicateSubset},
	{"empty-subset", source.Error, []need{needSubsets, needPods}, emptySubset},
	{"service-without-pods", source.Error, []need{needServices, needPods}, serviceWithoutPods},
	{"not-injected", source.Error, []need{needRoutes, needPods, needSpaces}, notInjected},

	// Gateways.
	{"unknown-gateway", source.Error, []need{needRoutes, needGateways}, unknownGateway},
	{"unbound-gateway", source.Error, []need{needRoutes, needGateways}, unboundGateway},
	{"gateway-hosts", source.Error, []need{needRoutes, needGateways}, gatewayHosts},
	{"gateway-not-http", source.Error, []need{needRoutes, needGateways}, gatewayNotHTTP},
	{"gateway-only", source.Error, []need{needRoutes}, gatewayOnly},
	{"mesh-only", source.Error, []need{needRoutes}, meshOnly},
	{"gateway-selector", source.Error, []need{needGateways, needPods}, gatewaySelector},

	// The EnvoyFilter: where it applies.
	{"filter-selector", source.Error, []need{needFilter}, filterSelector},
	{"filter-everywhere", source.Warning, []need{needFilter}, filterEverywhere},
	{"filter-context", source.Error, []need{needFilter}, filterContext},
	{"filter-order", source.Error, []need{needFilter}, filterOrder},
	{"unknown-anchor", source.Error, []need{needFilter}, unknownAnchor},
	{"late-key", source.Error, []need{needRules, needFilter}, lateKey},
	{"filter-name", source.Warning, []need{needFilter}, filterName},
	{"two-filters", source.Warning, []need{needFilter}, twoFilters},

	// The EnvoyFilter: whom it asks.
	{"unknown-cluster", source.Error, []need{needFilter}, unknownCluster},
	{"cluster-http2", source.Error, []need{needFilter}, clusterHTTP2},
	{"cluster-limits", source.Warning, []need{needFilter}, clusterLimits},
	{"retry", source.Warning, []need{needFilter}, retry},

	// The EnvoyFilter: what it asks, and what becomes of the answer.
	{"request-headers", source.Error, []need{needFilter}, requestHeaders},
	{"response-headers", source.Warning, []need{needFilter}, responseHeaders},
	{"bodies", source.Warning, []need{needFilter}, bodies},
	{"reply-ignored", source.Error, []need{needFilter}, replyIgnored},
	{"fail-closed", source.Warning, []need{needFilter}, failClosed},
	{"message-timeout", source.Warning, []need{needFilter}, messageTimeout},
	{"header-limits", source.Warning, []need{needFilter}, headerLimits},

	// The EnvoyFilter and the rules.
	{"needs-render", source.Error, []need{needRules, needFilter}, needsRender},
	{"forward-rules", source.Error, []need{needRules, needFilter}, forwardRules},
	{"mutation-rules", source.Error, []need{needRules, needFilter}, mutationRules},
	{"early-stripping", source.Error, []need{needRules, needFilter}, earlyStripping},
	{"early-spellings", source.Warning, []need{needRules, needFilter}, earlySpellings},
	{"visitor-cookie", source.Error, []need{needRules, needFilter}, visitorCookie},
	{"visitor-cache", source.Warning, []need{needRules, needFilter}, visitorCache},

	// Routes of an Envoy of its own. Their kinds are those of VirtualServices.
	{"unrouted-tag", source.Error, []need{needRules, needEnvoy}, envoyUnroutedTag},
	{"misspelt-tag", source.Error, []need{needRules, needEnvoy}, envoyMisspeltTag},
	{"unwritten-tag", source.Warning, []need{needRules, needEnvoy}, envoyUnwrittenTag},
	{"no-default-route", source.Error, []need{needRules, needEnvoy}, envoyNoDefaultRoute},
	{"unreachable-route", source.Error, []need{needRules, needEnvoy}, envoyUnreachableRoute},
	{"random-version", source.Warning, []need{needRules, needEnvoy}, envoyRandomVersion},
	{"unknown-cluster", source.Error, []need{needRules, needEnvoy}, envoyRouteCluster},

	// tagproc's pods.
	{"rules-mount", source.Error, []need{needServe}, rulesMount},
	{"rules-config-map", source.Error, []need{needServe, needConfigs}, rulesConfigMap},
	{"sub-path", source.Error, []need{needServe}, subPath},
	{"immutable-rules", source.Warning, []need{needRules, needConfigs}, immutableRules},
	{"memory-unit", source.Error, []need{needServe}, memoryUnit},
	{"not-ready", source.Warning, []need{needServe}, notReady},
	{"probe-address", source.Error, []need{needServe}, probeAddress},
	{"grace-period", source.Warning, []need{needServe}, gracePeriod},
	{"service-protocol", source.Error, []need{needFilter, needServices}, serviceProtocol},
	{"network-policy", source.Error, []need{needFilter, needServices, needServe}, networkPolicies},
	{"authorization-policy", source.Error, []need{needFilter, needServices, needServe}, authorizationPolicies},
	{"listen-address", source.Error, []need{needFilter, needServe}, listenAddress},
	{"socket-mount", source.Error, []need{needFilter, needServe}, socketMount},
	{"serve-limits", source.Error, []need{needFilter, needServe}, serveLimits},
	{"low-serve-limits", source.Warning, []need{needFilter, needServe}, lowServeLimits},
	{"metadata", source.Warning, []need{needFilter, needServe}, metadata},
}
