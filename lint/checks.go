package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tagproc/tagproc/source"
)

// A Finding is one thing that would not work. Message says why, Fix what to do.
type Finding struct {
	source.Problem

	Fix string `json:"fix,omitempty"` // "" where Message says it
}

// WithFix returns the finding as a Problem whose message has the fix too.
func (f Finding) WithFix() source.Problem {
	p := f.Problem
	if f.Fix != "" {
		p.Message += "; " + f.Fix
	}
	return p
}

// String returns the finding as one line, "file:line:col: error: message; fix [kind]".
func (f Finding) String() string {
	p := f.WithFix()
	return fmt.Sprintf("%s: %s: %s [%s]", p.Place(), p.Severity, p.Message, p.Kind)
}

// Sort orders findings by the files, as they are given, and their lines, and leaves out
// what is there twice.
func Sort(findings []Finding, files []string) []Finding {
	order := map[string]int{}
	for i, f := range files {
		order[f] = i
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(findings)
}

// A Check looks for one kind of finding.
type Check struct {
	Kind     source.Kind
	Severity source.Severity
	Needs    []Need

	run  func(m *Model, found found)          // of the model as a whole, or
	each func(m *Model, s *Side, found found) // of each side
}

// A Need is what has to be there for a check to make sense.
type Need string

// What checks need.
const (
	NeedRules  Need = "rules"
	NeedSide   Need = "ext_proc filter"
	NeedEnvoys Need = "configuration of Envoy"
)

// found takes a finding of a check: why it is one, and the fix.
type found func(at source.Value, why, fix string)

// Has reports whether what a check needs is there.
func (m *Model) Has(n Need) bool {
	switch n {
	case NeedRules:
		return len(m.Rules) > 0
	case NeedSide:
		return slices.ContainsFunc(m.Sides, func(s *Side) bool { return len(s.Filters) > 0 })
	default:
		return len(m.Envoys) > 0
	}
}

// Findings runs all checks that m has the parts for.
func (m *Model) Findings() (fs []Finding) {
	for _, c := range Checks {
		if !slices.ContainsFunc(c.Needs, func(n Need) bool { return !m.Has(n) }) {
			fs = append(fs, c.Run(m)...)
		}
	}
	return fs
}

// Run returns what the check finds. The model has what it needs.
func (c Check) Run(m *Model) (fs []Finding) {
	add := func(at source.Value, why, fix string) {
		fs = append(fs, Finding{m.origin(at).Problem(c.Severity, c.Kind, why), fix})
	}
	if c.run != nil {
		c.run(m, add)
		return fs
	}
	for _, s := range m.Sides {
		if len(s.Filters) > 0 {
			c.each(m, s, add)
		}
	}
	return fs
}

func (m *Model) origin(v source.Value) source.Value {
	if m.Origin == nil {
		return v
	}
	return m.Origin(v)
}

// scoped reports whether a route is meant for some Envoys alone.
func (m *Model) scoped(v source.Value) bool { return m.Scoped != nil && m.Scoped(m.origin(v)) }

// place returns where something is, for a message about something else.
func (m *Model) place(v source.Value) string { return m.origin(v).Problem(0, "", "").Place() }

// Checks are all that is looked for. An error does not work; a warning works until
// something else happens, or costs more than it has to.
var Checks = []Check{
	// Whom Envoy asks.
	{"unknown-cluster", source.Error, []Need{NeedSide}, nil, unknownCluster},
	{"cluster-http2", source.Error, []Need{NeedSide}, nil, clusterHTTP2},
	{"cluster-limits", source.Warning, []Need{NeedSide}, nil, clusterLimits},
	{"retry", source.Warning, []Need{NeedSide}, nil, retry},

	// What it asks, when, and what becomes of the answer.
	{"filter-order", source.Error, []Need{NeedSide}, nil, filterOrder},
	{"late-key", source.Error, []Need{NeedRules, NeedSide}, nil, lateKey},
	{"request-headers", source.Error, []Need{NeedSide}, nil, requestHeaders},
	{"response-headers", source.Warning, []Need{NeedSide}, nil, responseHeaders},
	{"bodies", source.Warning, []Need{NeedSide}, nil, bodies},
	{"reply-ignored", source.Error, []Need{NeedSide}, nil, replyIgnored},
	{"fail-closed", source.Warning, []Need{NeedSide}, nil, failClosed},
	{"message-timeout", source.Warning, []Need{NeedSide}, nil, messageTimeout},
	{"header-limits", source.Warning, []Need{NeedSide}, nil, headerLimits},

	// Its settings beside the rules.
	{"needs-render", source.Error, []Need{NeedRules, NeedSide}, nil, needsRender},
	{"needs-render", source.Error, []Need{NeedRules, NeedEnvoys}, staleProgram, nil},
	{"forward-rules", source.Error, []Need{NeedRules, NeedSide}, nil, forwardRules},
	{"mutation-rules", source.Error, []Need{NeedRules, NeedSide}, nil, mutationRules},
	{"early-stripping", source.Error, []Need{NeedRules, NeedSide}, nil, earlyStripping},
	{"unasked-gateway", source.Warning, []Need{NeedRules, NeedSide, NeedEnvoys}, unaskedGateway, nil},
	{"early-spellings", source.Warning, []Need{NeedRules, NeedSide}, nil, earlySpellings},
	{"visitor-cookie", source.Error, []Need{NeedRules, NeedSide}, nil, visitorCookie},
	{"visitor-cache", source.Warning, []Need{NeedRules, NeedSide}, nil, visitorCache},

	// Tags and routes.
	{"unrouted-tag", source.Error, []Need{NeedRules, NeedEnvoys}, unroutedTag, nil},
	{"unrouted-set-tag", source.Error, []Need{NeedRules, NeedEnvoys}, unroutedSetTag, nil},
	{"misspelt-tag", source.Error, []Need{NeedRules, NeedEnvoys}, misspeltTag, nil},
	{"unwritten-tag", source.Warning, []Need{NeedRules, NeedEnvoys}, unwrittenTag, nil},
	{"misspelt-header", source.Error, []Need{NeedRules, NeedEnvoys}, misspeltHeader, nil},
	{"appended-tag", source.Error, []Need{NeedRules, NeedEnvoys}, appendedTag, nil},
	{"removed-tag", source.Error, []Need{NeedRules, NeedEnvoys}, removedTag, nil},
	{"late-named-users", source.Warning, []Need{NeedRules, NeedEnvoys}, lateNamedUsers, nil},
	{"named-twice", source.Warning, []Need{NeedRules, NeedEnvoys}, namedTwice, nil},
	{"half-routed-tag", source.Error, []Need{NeedRules, NeedEnvoys}, halfRoutedTag, nil},
	{"half-routed-tag", source.Error, []Need{NeedRules, NeedEnvoys}, shadowedHost, nil},
	{"no-subset", source.Error, []Need{NeedRules, NeedEnvoys}, noSubset, nil},
	{"no-default-route", source.Error, []Need{NeedRules, NeedEnvoys}, noDefaultRoute, nil},
	{"unreachable-route", source.Error, []Need{NeedRules, NeedEnvoys}, unreachableRoute, nil},
	{"random-version", source.Warning, []Need{NeedRules, NeedEnvoys}, randomVersion, nil},
	{"unknown-cluster", source.Error, []Need{NeedRules, NeedEnvoys}, missingCluster, nil},
}
