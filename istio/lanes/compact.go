package lanes

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A lanesFile is what the rules of a lanes file are made of.
type lanesFile struct {
	draft

	namespace text
	named     []named
	ingress   []entry
}

// named is users who are in a lane whatever their tag is.
type named struct {
	name   text
	header text
	values []text
	lane   text
	at     source.Value
}

// An entry is a service by which requests enter.
type entry struct {
	target target
	hosts  []text
	match  *networking.HTTPMatchRequest
	at     source.Value
}

// inMatch returns a header of the match as it is written, or no value.
func (e entry) inMatch(field, header string) source.Value {
	for _, h := range e.at.Get("match", field).Entries() {
		if strings.EqualFold(h.Key(), header) {
			return h
		}
	}
	return source.Value{}
}

// lanesFile reads a lanes file.
func (r *reader) lanesFile(d *source.Document) *draft {
	f := &lanesFile{namespace: text{v: "default"}}
	f.doc, f.at = d, d.Value
	if p := f.at.Get("namespace"); p.Exists() {
		f.namespace = r.text(p) // what names of services mean depends on it
	}
	r.mapping(f.at, "a lanes file",
		field{Name: "laneGroup", Read: r.asText(&f.name)},
		field{Name: "mode", Read: func(p source.Value) {
			mode := r.text(p)
			f.strict = mode.v == "strict"
			if mode.set && mode.v != "loose" && mode.v != "strict" {
				r.error(p, rules.KindMode, "there is no mode %q%s; expected loose or strict", source.Shorten(mode.v), source.DidYouMean(source.Nearest(mode.v, []string{"loose", "strict"})))
			}
		}},
		field{Name: "gateway", Read: func(p source.Value) {
			if t := r.text(p); t.set {
				namespace, name, _ := strings.Cut(t.v, "/")
				f.gateway, f.gatewayAt = Gateway{namespace, name}, p
			}
		}},
		field{Name: "routeHeader", Read: r.asText(&f.routeHeader)},
		field{Name: "traceHeader", Read: r.asText(&f.traceHeader)},
		field{Name: "namespace", Read: func(source.Value) {}}, // has been read
		field{Name: "services", Read: func(p source.Value) { f.services = r.serviceNames(p, f) }},
		field{Name: "baseline", Read: r.asText(&f.baseline)},
		field{Name: "fallback", Read: func(p source.Value) {
			r.perService(p, f, "fallback", func(s serviceText) {
				if lane := r.text(s.at); lane.set {
					f.fallback = append(f.fallback, fallbackDraft{s, lane})
				}
			})
		}},
		field{Name: "lanes", Read: func(p source.Value) {
			r.List(p, "lanes, each with name and labels", func(p source.Value) { f.lanes = append(f.lanes, r.compactLane(p, f)) })
		}},
		field{Name: "named", Read: func(p source.Value) {
			r.List(p, "named users, each with header, values and lane", func(p source.Value) {
				if n, ok := r.namedUsers(p); ok {
					f.named = append(f.named, n)
				}
			})
		}},
		field{Name: "ingress", Read: func(p source.Value) {
			r.List(p, "entries, each with a service", func(p source.Value) {
				if e, ok := r.entry(p, f); ok {
					f.ingress = append(f.ingress, e)
				}
			})
		}},
	)
	if len(f.named) > 0 && len(f.ingress) == 0 && len(f.at.Get("ingress").Elements()) == 0 {
		r.error(f.at.Get("named"), source.KindMissing, "named users enter by no service; add ingress, the list of services by which requests enter")
	}
	if len(f.ingress) > 0 && len(f.named) == 0 && !f.routeHeader.set && f.strict {
		r.warn(f.at.Get("ingress"), KindNoEffect, "ingress has no effect: neither named users nor a routeHeader say which lane a request enters; add one of them")
	}
	for _, n := range f.named {
		if !slices.ContainsFunc(f.lanes, func(l laneDraft) bool { return l.name.v == n.lane.v }) {
			r.error(n.lane.at, KindUnknownLane, "the group has no lane %q", source.Shorten(n.lane.v))
		}
		r.headerName(n.header)
		for _, v := range n.values {
			if strings.TrimSpace(v.v) != v.v || v.v == "" {
				r.error(v.at, KindMatch, "no request has %s: %q, since HTTP drops blanks around a value, and an empty one names nobody; write the value that the header has", source.Shorten(n.header.v), source.Shorten(v.v))
			}
		}
	}
	for _, e := range f.ingress {
		r.noOwnHeaders(e, f)
	}
	r.write(f)
	return &f.draft
}

// noOwnHeaders refuses a condition on a header that the routes of lanes and of named
// users ask for themselves: it would be lost, or hold for nobody.
func (r *reader) noOwnHeaders(e entry, f *lanesFile) {
	if route := f.routeHeader.v; route != "" {
		for _, field := range []string{"headers", "withoutHeaders"} {
			if h := e.inMatch(field, route); !h.IsZero() {
				r.Add(h.KeyPlace().Problem(source.Error, KindMatch, fmt.Sprintf(
					"%s is the routeHeader, which the route of each lane asks for itself; leave it out of match: a request with the name of a lane in it reaches that lane", source.Shorten(h.Key()))))
			}
		}
	}
	for i, n := range f.named {
		if slices.ContainsFunc(f.named[:i], func(before named) bool { return strings.EqualFold(before.header.v, n.header.v) }) {
			continue // told already
		}
		if h := e.inMatch("headers", n.header.v); n.header.set && !h.IsZero() {
			r.Add(h.KeyPlace().Problem(source.Error, KindMatch, fmt.Sprintf(
				"%s names users in named, line %d, whose routes would lose this condition; leave it out of match, and write whom it means into values of named",
				source.Shorten(h.Key()), n.header.at.Place().Line())))
		}
	}
}

// serviceName returns the service that s names: a name, or "namespace/name".
func (f *lanesFile) serviceName(s string) Service {
	if namespace, name, found := strings.Cut(s, "/"); found {
		return Service{namespace, name}
	}
	return Service{f.namespace.v, s}
}

func (r *reader) serviceNames(p source.Value, f *lanesFile) (services []serviceText) {
	for _, t := range r.texts(p, "services") {
		services = append(services, serviceText{f.serviceName(t.v), t.at})
	}
	return services
}

// perService reads the values of a mapping by service.
func (r *reader) perService(p source.Value, f *lanesFile, what string, read func(s serviceText)) {
	for e := range r.FreeKeys(p, what) {
		read(serviceText{f.serviceName(e.Key()), e})
	}
}

func (r *reader) compactLane(p source.Value, f *lanesFile) laneDraft {
	l := laneDraft{at: p, all: true, labels: map[string]string{}, labelsAt: p}
	l.whole = r.mapping(p, "a lane",
		field{Name: "name", Read: r.asText(&l.name)},
		field{Name: "labels", Read: func(p source.Value) { l.labels, l.labelsAt = r.StringMap(p, "labels"), p }},
		field{Name: "services", Read: func(p source.Value) { l.services, l.all = r.serviceNames(p, f), false }},
		field{Name: "serviceLabels", Read: func(p source.Value) {
			r.perService(p, f, "serviceLabels", func(s serviceText) {
				l.serviceLabels = append(l.serviceLabels, serviceLabels{s, r.StringMap(s.at, "the labels of a service")})
			})
		}},
	)
	if !l.whole && len(l.labels) == 0 {
		l.labels = nil
	}
	return l
}

func (r *reader) namedUsers(p source.Value) (n named, ok bool) {
	n.at = p
	ok = r.mapping(p, "a named user",
		field{Name: "name", Read: r.asText(&n.name)},
		field{Name: "header", Read: r.asText(&n.header)},
		field{Name: "values", Read: func(p source.Value) { n.values = r.texts(p, "values of the header") }},
		field{Name: "lane", Read: r.asText(&n.lane)},
	)
	if ok && (!n.header.set || !n.lane.set || len(n.values) == 0) {
		r.error(p, source.KindMissing, "named user lacks a header, values or a lane; add all three")
		return n, false
	}
	switch {
	case n.name.set:
	case len(n.values) == 1:
		n.name.v = n.values[0].v
	default:
		n.name.v = "named-" + n.lane.v
	}
	return n, ok
}

func (r *reader) entry(p source.Value, f *lanesFile) (e entry, ok bool) {
	e = entry{at: p, match: &networking.HTTPMatchRequest{}}
	matchOK := true
	ok = r.mapping(p, "an entry of ingress",
		field{Name: "service", Read: func(p source.Value) {
			if t := r.text(p); t.set {
				e.target.service = serviceText{f.serviceName(t.v), p}
			}
		}},
		field{Name: "port", Read: func(p source.Value) {
			i := r.IntIn(p, 1, maxPort).V
			e.target.port, e.target.portAt = uint32(i), p
		}},
		field{Name: "hosts", Read: func(p source.Value) { e.hosts = r.texts(p, "hosts") }},
		field{Name: "match", Read: func(p source.Value) { e.match, matchOK = r.match(p) }},
	)
	if ok && e.target.service.at.IsZero() {
		r.error(p, source.KindMissing, "entry of ingress has no service")
	}
	return e, ok && matchOK && !e.target.service.at.IsZero()
}

// write writes out, for each lane, the rules that ASM would have: those who are
// named, and the tag of the lane.
func (r *reader) write(f *lanesFile) {
	matches := 0
	for _, l := range f.lanes {
		for _, e := range f.ingress {
			if matches > maxRules {
				r.error(e.at, source.KindTooLarge, "lanes, named users and entries of ingress make more than %d matches, the most that are written", maxRules)
				return
			}
			for _, n := range f.named {
				if n.lane.v != l.name.v {
					continue
				}
				rule := ruleDraft{at: n.at, name: n.name.v, lane: n.lane, hosts: e.hosts, target: e.target}
				for _, v := range n.values {
					rule.matches = append(rule.matches, e.with(n.header.v, v.v))
				}
				matches += len(n.values)
				f.rules = append(f.rules, rule)
			}
			if matches++; f.routeHeader.set {
				f.rules = append(f.rules, ruleDraft{
					at: e.at, name: l.name.v, lane: l.name, hosts: e.hosts, target: e.target,
					matches: []*networking.HTTPMatchRequest{e.with(f.routeHeader.v, l.name.v)},
				})
			}
		}
	}
}

// with returns the condition of the entry, and that a header has a value.
func (e entry) with(header, value string) *networking.HTTPMatchRequest {
	m := proto.CloneOf(e.match)
	if m.Headers == nil {
		m.Headers = map[string]*networking.StringMatch{}
	}
	m.Headers[strings.ToLower(header)] = exact(value)
	return m
}
