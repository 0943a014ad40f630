package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// Envoy's side is three lists of headers, made from the rules when it is rendered:
// what is forwarded to tagproc, what tagproc may change, and what is stripped early.

// A sideHeader is a header, or all headers with a prefix, that Envoy has to know.
type sideHeader struct {
	at     source.Value
	name   string // for people: a prefix ends in *
	probes []string
	// What it is. A key is read, a tag written and stripped; baggage is written, and
	// has members of others.
	key, baggage, trusted bool
	looked                bool // of a key: it is not the only one, or part of a match
}

// all reports whether f holds for the header, or for headers of all sorts with the
// prefix.
func (h sideHeader) all(f func(name string) bool) bool {
	return !slices.ContainsFunc(h.probes, func(p string) bool { return !f(p) })
}

func prefixProbes(p string) []string { return []string{p + "a", p + "-b", p + "9.z_"} }

// sideHeaders returns the headers that Envoy has to know for all rules.
func (m *Model) sideHeaders() (hs []sideHeader) {
	add := func(h sideHeader) {
		if !slices.ContainsFunc(hs, func(o sideHeader) bool { return o.name == h.name }) {
			hs = append(hs, h)
		}
	}
	for _, s := range m.Rules {
		for i, r := range s.Table.Rules() {
			for j, k := range r.Keys {
				at := s.Rule(i, "keys", j)
				if len(r.Keys) == 1 && k.Source == rules.KeyHeader {
					at = s.Rule(i, "header")
				}
				add(sideHeader{at: at, name: k.Header(), probes: []string{k.Header()}, key: true, looked: len(r.Keys) > 1 || k.Source != rules.KeyHeader})
			}
			for _, name := range r.Match.Inputs() {
				add(sideHeader{at: s.Rule(i, "match"), name: name, probes: []string{name}, key: true, looked: true})
			}
		}
		trusted := s.Table.TrustClientTags()
		owned := s.Table.Owned()
		for _, name := range owned.Headers {
			add(sideHeader{at: s.declared("headers", name), name: name, probes: []string{name}, trusted: trusted})
		}
		for _, p := range owned.Prefixes {
			add(sideHeader{at: s.declared("headerPrefixes", p), name: p + "*", probes: prefixProbes(p), trusted: trusted})
		}
		if !s.Table.Propagated().IsZero() {
			add(sideHeader{at: s.At.Get("propagation"), name: contract.Baggage, probes: []string{contract.Baggage}, baggage: true})
		}
	}
	return hs
}

// declared returns where the rules say that a header is theirs: in tagHeaders, or
// in the first rule that writes it.
func (r *Rules) declared(key, name string) source.Value {
	for i, v := range r.At.Get("tagHeaders", key).Elements() {
		if strings.EqualFold(v.Text(), name) {
			return r.At.Get("tagHeaders", key, i)
		}
	}
	for i, rule := range r.Table.Rules() {
		if rule.TagHeader == name {
			return r.Rule(i, "tagHeader")
		}
	}
	return r.At.Get("tagHeaders")
}

// strips reports whether a header is removed before a route is chosen.
func (s *Side) strips(name string) bool {
	return slices.ContainsFunc(s.Managers, func(h *Manager) bool { return h.strips(name) })
}

func (h *Manager) strips(name string) (stripped bool) {
	for _, e := range h.early { // in their order: one behind the removal may write the header
		switch {
		case e.GetRemove() != "" && strings.EqualFold(e.GetRemove(), name),
			e.GetRemoveOnMatch() != nil && envoyconf.Matches(e.GetRemoveOnMatch().GetKeyMatcher(), name) == envoyconf.Yes:
			stripped = true
		case strings.EqualFold(e.GetAppend().GetHeader().GetKey(), name):
			stripped = false
		}
	}
	return stripped
}

// isUnknown reports whether Envoy's side has a header nowhere: it was rendered
// before the header came into the rules.
func (s *Side) isUnknown(h sideHeader) bool {
	if h.key || h.baggage {
		return false
	}
	return !slices.ContainsFunc(s.Filters, func(f *Filter) bool { return h.all(f.Forwards) || h.all(f.allows) }) && !h.all(s.strips)
}

// needsRender finds a tag header of the rules that Envoy's side has nowhere.
func needsRender(m *Model, s *Side, found found) {
	for _, h := range m.sideHeaders() {
		if s.isUnknown(h) {
			found(h.at, fmt.Sprintf("%s does not know %s: Envoy drops the tag, and a forged one stays", m.name(s), h.name), "render it again from these rules: "+m.render(s))
		}
	}
}

// forwardRules finds headers that tagproc is not sent.
func forwardRules(m *Model, s *Side, found found) {
	for _, f := range s.Filters {
		for _, h := range m.sideHeaders() {
			if s.isUnknown(h) || h.all(f.Forwards) {
				continue
			}
			why := fmt.Sprintf("tagproc is not sent %s (%s), so it cannot remove a forged one", h.name, m.place(h.at))
			switch {
			case h.looked:
				why = fmt.Sprintf("tagproc is not sent %s, at which a rule looks (%s): it decides as if no request had it", h.name, m.place(h.at))
			case h.key:
				why = fmt.Sprintf("tagproc is not sent %s, the key of a rule (%s): it tags nobody", h.name, m.place(h.at))
			case h.baggage:
				why = fmt.Sprintf("tagproc is not sent baggage, which propagation (%s) writes: it cannot remove a forged tag from it", m.place(h.at))
			}
			found(f.Config.Get("forward_rules"), why, "add it to allowed_headers, or "+m.renderAgain(s))
		}
	}
}

// mutationRules finds headers that tagproc may not change.
func mutationRules(m *Model, s *Side, found found) {
	for _, f := range s.Filters {
		for _, h := range m.sideHeaders() {
			if h.key || s.isUnknown(h) || h.all(f.allows) {
				continue
			}
			found(f.Config.Get("mutation_rules"), fmt.Sprintf("tagproc may not change %s (%s): Envoy drops the tag without an error, and a forged one stays", h.name, m.place(h.at)),
				"add it to allow_expression, or "+m.renderAgain(s))
		}
		if f.GetMutationRules().GetDisallowIsError().GetValue() {
			found(f.Config.Get("mutation_rules", "disallow_is_error"), "the user gets a 500 for a change that is not allowed", "leave it out")
		}
	}
}

// earlyStripping finds tag headers of clients that are there when the gateway
// chooses a route.
func earlyStripping(m *Model, s *Side, found found) {
	for _, h := range m.sideHeaders() {
		if h.key || h.baggage || h.trusted || s.isUnknown(h) || h.all(s.strips) {
			continue
		}
		found(s.manager("early_header_mutation_extensions"), fmt.Sprintf("a client can send %s (%s) itself, and that chooses the route while tagproc does not answer", h.name, m.place(h.at)),
			"remove it in early_header_mutation_extensions of the HTTP connection manager, or "+m.renderAgain(s))
	}
}

// earlySpellings finds tag headers that the gateway removes as they are usually spelt
// alone.
func earlySpellings(m *Model, s *Side, found found) {
	for _, h := range m.sideHeaders() {
		spelt := h
		spelt.probes = spellings(h.probes)
		if h.key || h.baggage || h.trusted || s.isUnknown(h) || !h.all(s.strips) || spelt.all(s.strips) {
			continue
		}
		found(s.manager("early_header_mutation_extensions"),
			fmt.Sprintf("a client can send %s (%s) with _ or . for -, and servers that hand headers on as environment variables take that for the tag", h.name, m.place(h.at)),
			"remove it by a safe_regex that has [^a-z0-9] for each -, or "+m.renderAgain(s))
	}
}

// spellings returns names with other characters for those that are neither letters
// nor digits.
func spellings(names []string) (spelt []string) {
	for _, name := range names {
		for _, other := range "_." {
			spelt = append(spelt, strings.Map(func(r rune) rune {
				if contract.IsSeparator(r) {
					return other
				}
				return r
			}, name))
		}
	}
	return spelt
}
