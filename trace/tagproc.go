package trace

import (
	"fmt"
	"slices"
	"strings"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/explain"
)

// A Tagproc is what tagproc is sent at a hop, and what becomes of its answer.
type Tagproc struct {
	Filter Place `json:"filter"`
	// NotSent are headers of the request at which the rules look and that the filter does
	// not send (forward_rules).
	NotSent []string `json:"notSent"`
	// NotAsked says why Envoy does not ask; absent: it does.
	NotAsked string `json:"notAsked,omitempty"`
	// Decision is what tagproc decides by what it is sent; null: it is not asked.
	Decision *explain.Decision `json:"decision"`
	// Dropped are headers that it would change and that Envoy leaves as they are
	// (mutation_rules).
	Dropped []string `json:"dropped"`
	// RouteStays reports that Envoy does not choose the route again.
	RouteStays bool `json:"routeStays,omitempty"`
}

// filters lets the HTTP filters of a hop change the request, and returns the result of
// the route that is chosen last.
func (h *hop) filters(r *envoyconf.Result) *envoyconf.Result {
	if r.Chain == nil || r.Chain.HTTP == nil || r.Refused || r.Route == nil && r.Status == 0 {
		return r
	}
	ours := asked(r.Chain.HTTP.Filters)
	for _, f := range r.Chain.HTTP.Filters {
		disabled := f.Disabled(r)
		if disabled.Answer == envoyconf.Yes {
			continue
		}
		config, isExtProc := f.Config.(*extprocv3.ExternalProcessor)
		digest, isProgram := contract.ProgramDigest(f.LuaSource())
		switch is, doubts := f.Mutate(r.Request); {
		case is:
			h.CannotTell = append(h.CannotTell, doubts...)
		case isExtProc && slices.Contains(ours, f) && h.lacks(config):
			h.cannotAsk(f, config)
		case isExtProc && slices.Contains(ours, f) && h.table != nil:
			if disabled.Answer == envoyconf.Maybe {
				h.CannotTell = append(h.CannotTell, disabled.Why)
			}
			r = h.ask(f, config, r)
		case isExtProc && slices.Contains(ours, f):
			h.NotChecked = append(h.NotChecked, f.GetName()+" asks tagproc: give its rules with --rules")
		case isProgram:
			r = h.program(f, digest, r)
		case !f.Modelled():
			h.NotChecked = append(h.NotChecked, f.GetName())
		}
	}
	return r
}

// program has the rules of a digest, which a filter has as Lua, decide as tagproc would.
func (h *hop) program(f *envoyconf.Filter, digest string, r *envoyconf.Result) *envoyconf.Result {
	switch {
	case h.table == nil:
		h.CannotTell = append(h.CannotTell, "what the filter "+f.GetName()+" decides by its rules in Lua: give them with --rules")
		return r
	case digest != h.table.Digest():
		h.CannotTell = append(h.CannotTell, fmt.Sprintf("what the filter %s decides: its Lua is of the rules with the digest %s, and --rules has %s: render it again, or give those", f.GetName(), digest, h.table.Digest()))
		return r
	}
	return h.ask(f, &extprocv3.ExternalProcessor{}, r)
}

// asked returns the filters that ask tagproc: by their names those of tagproc, or else
// every ext_proc filter.
func asked(filters []*envoyconf.Filter) (all []*envoyconf.Filter) {
	var named []*envoyconf.Filter
	for _, f := range filters {
		if config, is := f.Config.(*extprocv3.ExternalProcessor); is {
			all = append(all, f)
			if strings.Contains(f.GetName()+" "+config.GetGrpcService().GetEnvoyGrpc().GetClusterName(), "tagproc") {
				named = append(named, f)
			}
		}
	}
	if len(named) > 0 {
		return named
	}
	return all
}

// lacks reports that the configuration does not have the cluster that the filter asks.
func (h *hop) lacks(config *extprocv3.ExternalProcessor) bool {
	name := config.GetGrpcService().GetEnvoyGrpc().GetClusterName()
	return name != "" && h.stop.Config.AllClusters && h.stop.Config.Cluster(name) == nil
}

// cannotAsk leaves the request as it is: Envoy starts without the cluster of the filter,
// and the filter fails at each request.
func (h *hop) cannotAsk(f *envoyconf.Filter, config *extprocv3.ExternalProcessor) {
	name := config.GetGrpcService().GetEnvoyGrpc().GetClusterName()
	h.Tagproc = &Tagproc{Filter: place(f.GetName(), f.Value), NotSent: []string{}, Dropped: []string{}, NotAsked: "cluster " + name + " is not configured"}
	if !config.GetFailureModeAllow() {
		h.CannotTell = append(h.CannotTell, "whether Envoy answers with an error: the filter "+f.GetName()+" fails, and has no failure_mode_allow")
	}
}

// ask has tagproc decide by what the filter sends, and changes the request as Envoy then
// does.
func (h *hop) ask(f *envoyconf.Filter, config *extprocv3.ExternalProcessor, r *envoyconf.Result) *envoyconf.Result {
	for _, m := range config.GetGrpcService().GetInitialMetadata() {
		if m.GetKey() == contract.DirectionKey && m.GetValue() != contract.Gateway.String() {
			h.CannotTell = append(h.CannotTell, fmt.Sprintf("what the filter %s does: its direction is %s, and only that of a gateway is modelled", f.GetName(), m.GetValue()))
			return r
		}
	}
	t := &Tagproc{Filter: place(f.GetName(), f.Value), NotSent: []string{}, Dropped: []string{}}
	if config.GetProcessingMode().GetRequestHeaderMode() == extprocv3.ProcessingMode_SKIP || config.GetObservabilityMode() {
		h.CannotTell = append(h.CannotTell, "the filter "+f.GetName()+" does not act on tagproc's answer to the request's headers")
		return r
	}
	h.Tagproc = t
	var sent []explain.Header
	for _, header := range slices.Concat(pseudo(r.Request), requestOf(r.Request).Headers) {
		switch v := envoyconf.Forwards(config.GetForwardRules(), header.Name); {
		case v.Answer == envoyconf.Yes:
			sent = append(sent, header)
		case v.Answer == envoyconf.Maybe:
			h.CannotTell = append(h.CannotTell, v.Why)
		case slices.Contains(h.table.Inputs(), header.Name) && !slices.Contains(t.NotSent, header.Name):
			t.NotSent = append(t.NotSent, header.Name)
		}
	}
	t.Decision = explain.Request(h.table, sent)
	for _, rule := range t.Decision.Rules {
		if rule.Key.Minted && rule.Mode == "enforce" {
			h.CannotTell = append(h.CannotTell, "what rule "+rule.Name+" decides: a visitor's id is random")
		}
	}
	changes := h.changes(t, config, r.Request)
	t.RouteStays = config.GetDisableClearRouteCache() || config.GetRouteCacheAction() == extprocv3.ExternalProcessor_RETAIN
	apply := func(request *envoyconf.Request) {
		for _, c := range changes {
			c(request)
		}
	}
	if len(changes) == 0 {
		return r
	}
	if t.RouteStays {
		apply(r.Request)
		return r
	}
	return r.Again(apply)
}

// pseudo returns what a request has beside its headers.
func pseudo(r *envoyconf.Request) []explain.Header {
	return []explain.Header{{Name: ":authority", Value: r.Authority}, {Name: ":path", Value: r.Path}, {Name: ":method", Value: r.Method}, {Name: ":scheme", Value: r.Scheme}}
}

// values returns the values of a header.
func values(r *envoyconf.Request, name string) (all []string) {
	for _, h := range r.Headers {
		if h.Name == name {
			all = append(all, h.Value)
		}
	}
	return all
}

// changes returns what Envoy does to the request by tagproc's answer.
func (h *hop) changes(t *Tagproc, config *extprocv3.ExternalProcessor, r *envoyconf.Request) (changes []func(*envoyconf.Request)) {
	change := func(name string, c func(*envoyconf.Request)) {
		switch v := envoyconf.Allows(config.GetMutationRules(), name); v.Answer {
		case envoyconf.Yes:
			changes = append(changes, c)
		case envoyconf.Maybe:
			h.CannotTell = append(h.CannotTell, v.Why)
		default:
			if !slices.Contains(t.Dropped, name) {
				t.Dropped = append(t.Dropped, name)
			}
		}
	}
	for _, name := range t.Decision.Removed {
		change(name, func(r *envoyconf.Request) { r.Remove(name) })
	}
	for _, tag := range t.Decision.Set {
		change(tag.Name, func(r *envoyconf.Request) { r.Set(tag.Name, tag.Value) })
	}
	if b := t.Decision.Baggage; b != nil && b.Value != strings.Join(values(r, contract.Baggage), ",") {
		change(contract.Baggage, func(r *envoyconf.Request) {
			if r.Remove(contract.Baggage); b.Value != "" {
				r.Set(contract.Baggage, b.Value)
			}
		})
	}
	return changes
}
