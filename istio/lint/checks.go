package lint

import "github.com/tagproc/tagproc/rules"

// Kinds of findings that reading gives, before any check. Those of rules files and
// of YAML have the kinds of rules and manifest.
const (
	kindUnknownField rules.Kind = "unknown-field"
	kindUnknownType  rules.Kind = "unknown-type"
	kindDuplicate    rules.Kind = "duplicate-object"

	kindUnknownDocument rules.Kind = "unknown-document"

	kindKustomization rules.Kind = "kustomization"
	kindTemplate      rules.Kind = "template"
)

// checks are all that is looked for. An error does not work; a warning works until
// something else happens, or costs more than it has to.
var checks = []check{
	// Tags and the routes that match them.
	{"unrouted-tag", rules.Error, []need{needRules, needRoutes}, unroutedTag},
	{"unrouted-set-tag", rules.Error, []need{needRules, needRoutes}, unroutedSetTag},
	{"misspelt-tag", rules.Error, []need{needRules, needRoutes}, misspeltTag},
	{"unwritten-tag", rules.Warning, []need{needRules, needRoutes}, unwrittenTag},
	{"misspelt-header", rules.Error, []need{needRules, needRoutes}, misspeltHeader},
	{"half-routed-tag", rules.Error, []need{needRules, needRoutes}, halfRoutedTag},
	{"appended-tag", rules.Error, []need{needRules, needRoutes}, appendedTag},
	{"removed-tag", rules.Error, []need{needRules, needRoutes}, removedTag},
	{"late-named-users", rules.Warning, []need{needRules, needRoutes}, lateNamedUsers},
	{"named-twice", rules.Warning, []need{needRules, needRoutes}, namedTwice},

	// Routes among themselves.
	{"no-default-route", rules.Error, []need{needRoutes}, noDefaultRoute},
	{"unreachable-route", rules.Error, []need{needRoutes}, unreachableRoute},
	{"duplicate-route", rules.Warning, []need{needRoutes}, duplicateRoute},
	{"two-virtual-services", rules.Error, []need{needRoutes}, twoInMesh},
	{"merged-virtual-services", rules.Warning, []need{needRoutes}, mergedAtGateway},
	{"random-version", rules.Warning, []need{needRoutes}, randomVersion},

	// Hosts, subsets and pods.
	{"unknown-host", rules.Error, []need{needServices}, unknownHost},
	{"route-port", rules.Error, []need{needRoutes, needServices}, routePort},
	{"not-http", rules.Error, []need{needRoutes, needServices}, notHTTP},
	{"unknown-subset", rules.Error, []need{needRoutes, needSubsets}, unknownSubset},
	{"no-subset", rules.Error, []need{needRoutes, needSubsets}, noSubset},
	{"duplicate-subset", rules.Warning, []need{needSubsets}, duplicateSubset},
	{"empty-subset", rules.Error, []need{needSubsets, needPods}, emptySubset},
	{"service-without-pods", rules.Error, []need{needServices, needPods}, serviceWithoutPods},
	{"not-injected", rules.Error, []need{needRoutes, needPods, needSpaces}, notInjected},

	// Gateways.
	{"unknown-gateway", rules.Error, []need{needRoutes, needGateways}, unknownGateway},
	{"unbound-gateway", rules.Error, []need{needRoutes, needGateways}, unboundGateway},
	{"gateway-hosts", rules.Error, []need{needRoutes, needGateways}, gatewayHosts},
	{"gateway-not-http", rules.Error, []need{needRoutes, needGateways}, gatewayNotHTTP},
	{"gateway-only", rules.Error, []need{needRoutes}, gatewayOnly},
	{"mesh-only", rules.Error, []need{needRoutes}, meshOnly},
	{"gateway-selector", rules.Error, []need{needGateways, needPods}, gatewaySelector},

	// The EnvoyFilter: where it applies.
	{"filter-selector", rules.Error, []need{needFilter}, filterSelector},
	{"filter-everywhere", rules.Warning, []need{needFilter}, filterEverywhere},
	{"filter-context", rules.Error, []need{needFilter}, filterContext},
	{"filter-order", rules.Error, []need{needFilter}, filterOrder},
	{"unknown-anchor", rules.Error, []need{needFilter}, unknownAnchor},
	{"late-key", rules.Error, []need{needRules, needFilter}, lateKey},
	{"filter-name", rules.Warning, []need{needFilter}, filterName},
	{"two-filters", rules.Warning, []need{needFilter}, twoFilters},

	// The EnvoyFilter: whom it asks.
	{"unknown-cluster", rules.Error, []need{needFilter}, unknownCluster},
	{"cluster-http2", rules.Error, []need{needFilter}, clusterHTTP2},
	{"cluster-limits", rules.Warning, []need{needFilter}, clusterLimits},
	{"retry", rules.Warning, []need{needFilter}, retry},

	// The EnvoyFilter: what it asks, and what becomes of the answer.
	{"request-headers", rules.Error, []need{needFilter}, requestHeaders},
	{"response-headers", rules.Warning, []need{needFilter}, responseHeaders},
	{"bodies", rules.Warning, []need{needFilter}, bodies},
	{"reply-ignored", rules.Error, []need{needFilter}, replyIgnored},
	{"fail-closed", rules.Warning, []need{needFilter}, failClosed},
	{"message-timeout", rules.Warning, []need{needFilter}, messageTimeout},
	{"header-limits", rules.Warning, []need{needFilter}, headerLimits},

	// The EnvoyFilter and the rules.
	{"needs-render", rules.Error, []need{needRules, needFilter}, needsRender},
	{"forward-rules", rules.Error, []need{needRules, needFilter}, forwardRules},
	{"mutation-rules", rules.Error, []need{needRules, needFilter}, mutationRules},
	{"early-stripping", rules.Error, []need{needRules, needFilter}, earlyStripping},

	// tagproc's pods.
	{"rules-mount", rules.Error, []need{needServe}, rulesMount},
	{"rules-config-map", rules.Error, []need{needServe, needConfigs}, rulesConfigMap},
	{"sub-path", rules.Error, []need{needServe}, subPath},
	{"immutable-rules", rules.Warning, []need{needRules, needConfigs}, immutableRules},
	{"memory-unit", rules.Error, []need{needServe}, memoryUnit},
	{"not-ready", rules.Warning, []need{needServe}, notReady},
	{"probe-address", rules.Error, []need{needServe}, probeAddress},
	{"grace-period", rules.Warning, []need{needServe}, gracePeriod},
	{"service-protocol", rules.Error, []need{needFilter, needServices}, serviceProtocol},
	{"network-policy", rules.Error, []need{needFilter, needServices, needServe}, networkPolicies},
	{"authorization-policy", rules.Error, []need{needFilter, needServices, needServe}, authorizationPolicies},
	{"listen-address", rules.Error, []need{needFilter, needServe}, listenAddress},
	{"socket-mount", rules.Error, []need{needFilter, needServe}, socketMount},
	{"serve-limits", rules.Error, []need{needFilter, needServe}, serveLimits},
	{"low-serve-limits", rules.Warning, []need{needFilter, needServe}, lowServeLimits},
	{"metadata", rules.Warning, []need{needFilter, needServe}, metadata},
}
