package envoyconf

import (
	"strings"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	headerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// Forwards reports whether an ext_proc filter sends a header, by its name in lower case.
func Forwards(rules *extprocv3.HeaderForwardingRules, name string) Verdict {
	v := yes
	if allowed := rules.GetAllowedHeaders(); allowed != nil {
		v = anyOf(allowed.GetPatterns(), name)
	}
	if refused := anyOf(rules.GetDisallowedHeaders().GetPatterns(), name); refused.Answer != No {
		return v.and(Verdict{Yes - refused.Answer, refused.Why})
	}
	return v
}

func anyOf(patterns []*matcherv3.StringMatcher, name string) Verdict {
	best := no("%s is not among them", name)
	for _, p := range patterns {
		if v := text(name, name, p); v.Answer > best.Answer {
			best = v
		}
	}
	return best
}

// Matches says whether a matcher takes a text.
func Matches(m *matcherv3.StringMatcher, s string) Answer { return text("the text", s, m).Answer }

// Allows reports whether an external processor may change a header, by its name in lower
// case.
func Allows(rules *mutationv3.HeaderMutationRules, name string) Verdict {
	if e := rules.GetDisallowExpression(); e != nil {
		if holds, open := fullMatch(e.GetRegex(), name); open != nil {
			return *open
		} else if holds {
			return no("disallow_expression matches %s", name)
		}
	}
	if e := rules.GetAllowExpression(); e != nil {
		if holds, open := fullMatch(e.GetRegex(), name); open != nil {
			return *open
		} else if holds {
			return yes
		}
	}
	switch {
	case rules.GetDisallowAll().GetValue():
		return no("disallow_all refuses %s, and allow_expression does not match it", name)
	case strings.HasPrefix(name, "x-envoy-"):
		return said(rules.GetAllowEnvoy().GetValue(), "%s is a header of Envoy", name)
	case name == "host" || name == ":authority" || name == ":scheme" || name == ":method":
		return said(rules.GetAllowAllRouting().GetValue(), "%s chooses routes", name)
	case strings.HasPrefix(name, ":"):
		return said(!rules.GetDisallowSystem().GetValue(), "disallow_system refuses %s", name)
	}
	return yes
}

// Disabled reports whether the filter does not run for a request on whose route r is.
func (f *Filter) Disabled(r *Result) Verdict {
	o := r.Override(f.GetName())
	if o == nil {
		return said(f.GetDisabled(), "the filter runs")
	}
	if o.Config == nil {
		return maybe("the route sets something for the filter %s that is not known here", f.GetName())
	}
	config := &routev3.FilterConfig{}
	if o.Config.UnmarshalTo(config) == nil {
		if config.GetDisabled() {
			return yes
		}
		if o.Config = config.GetConfig(); o.Config == nil {
			return no("the route has the filter run")
		}
	}
	perRoute := &extprocv3.ExtProcPerRoute{}
	if o.Config.UnmarshalTo(perRoute) == nil {
		switch {
		case perRoute.GetDisabled():
			return yes
		case perRoute.GetOverrides() != nil:
			return maybe("the route changes settings of the filter %s, which is not modelled", f.GetName())
		}
	}
	return no("the filter runs")
}

// Mutate changes r as the filter header_mutation does, and reports whether f is one.
func (f *Filter) Mutate(r *Request) (is bool, doubts []string) {
	config, is := f.Config.(*headerv3.HeaderMutation)
	if !is {
		return false, nil
	}
	for _, m := range config.GetMutations().GetRequestMutations() {
		if why := r.mutate(m); why != "" {
			doubts = append(doubts, why)
		}
	}
	return true, doubts
}

// quiet are types of filters that change neither the headers by which routes are chosen
// nor the route; they may answer a request themselves.
var quiet = map[string]bool{}

func init() {
	for _, name := range []string{
		"router.v3.Router", "cors.v3.Cors", "fault.v3.HTTPFault", "grpc_stats.v3.FilterConfig", "grpc_web.v3.GrpcWeb", "rbac.v3.RBAC", "health_check.v3.HealthCheck", "buffer.v3.Buffer",
		"compressor.v3.Compressor", "decompressor.v3.Decompressor", "csrf.v3.CsrfPolicy", "ratelimit.v3.RateLimit", "local_ratelimit.v3.LocalRateLimit", "stateful_session.v3.StatefulSession", "tap.v3.Tap",
	} {
		quiet["envoy.extensions.filters.http."+name] = true
	}
}

// Modelled reports whether what the filter does to a request is known here.
func (f *Filter) Modelled() bool {
	name := typeName(f.At("typed_config").Text("@type"))
	if strings.HasPrefix(f.GetName(), "istio.") || name == "stats.PluginConfig" {
		return true
	}
	return quiet[name]
}
