package lint

import (
	"slices"

	"github.com/tagproc/tagproc/lint"
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

// checks are what is looked for beside lint.Checks. An error does not work; a warning works until
// something else happens, or costs more than it has to.
var checks = []check{
	// The EnvoyFilter: where it applies.
	{"filter-selector", source.Error, []need{needFilter}, filterSelector, nil},
	{"filter-everywhere", source.Warning, []need{needFilter}, filterEverywhere, nil},
	{"filter-context", source.Error, []need{needFilter}, filterContext, nil},
	{"filter-order", source.Error, []need{needFilter}, filterOrder, nil},
	{"unknown-anchor", source.Error, []need{needFilter}, unknownAnchor, nil},
	{"filter-name", source.Warning, []need{needFilter}, filterName, nil},
	{"two-filters", source.Warning, []need{needFilter}, twoFilters, nil},

	// The EnvoyFilter: whom it asks.
	{"unknown-cluster", source.Error, []need{needFilter}, unknownCluster, nil},

	// tagproc's pods.
	{"rules-mount", source.Error, []need{needServe}, rulesMount, nil},
	{"rules-config-map", source.Error, []need{needServe, needConfigs}, rulesConfigMap, nil},
	{"sub-path", source.Error, []need{needServe}, subPath, nil},
	{"immutable-rules", source.Warning, []need{needRules, needConfigs}, immutableRules, nil},
	{"memory-unit", source.Error, []need{needServe}, memoryUnit, nil},
	{"not-ready", source.Warning, []need{needServe}, notReady, nil},
	{"probe-address", source.Error, []need{needServe}, probeAddress, nil},
	{"grace-period", source.Warning, []need{needServe}, gracePeriod, nil},
	{"service-protocol", source.Error, []need{needFilter, needServices}, serviceProtocol, nil},
	{"service-without-pods", source.Error, []need{needFilter, needServices, needPods}, serviceWithoutPods, nil},
	{"listen-address", source.Error, []need{needFilter, needServe}, listenAddress, nil},
	{"socket-mount", source.Error, []need{needFilter, needServe}, socketMount, nil},
	{"serve-limits", source.Error, []need{needFilter, needServe}, serveLimits, nil},
	{"low-serve-limits", source.Warning, []need{needFilter, needServe}, lowServeLimits, nil},
	{"metadata", source.Warning, []need{needFilter, needServe}, metadata, nil},
}

// allChecks returns the checks of manifests, and those of Envoys, which look at the
// patches of EnvoyFilters too.
func allChecks() []check {
	all := slices.Clone(checks)
	for _, c := range lint.Checks {
		var needs []need
		for _, n := range c.Needs {
			needs = append(needs, map[lint.Need]need{lint.NeedRules: needRules, lint.NeedSide: needFilter, lint.NeedEnvoys: needEnvoy}[n])
		}
		all = append(all, check{kind: c.Kind, severity: c.Severity, needs: needs, ofEnvoys: c.Run})
	}
	return all
}
