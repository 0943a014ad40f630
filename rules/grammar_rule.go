package rules

import (
	"strconv"
	"time"

	"github.com/tagproc/tagproc/source"
)

// claimRecipe is how the claim of a token becomes a key.
const claimRecipe = "tokens are read by Envoy, which checks them: have it copy the claim to a header " +
	"(claim_to_headers of the jwt_authn filter; outputClaimToHeaders of Istio's RequestAuthentication), and write that header as the key"

func (d *decoder) key(v source.Value) (k keyNode, ok bool) {
	k.pos = v.Place()
	ok = d.Mapping(v, "a key",
		field{Name: "header", Read: d.asText(&k.header)},
		field{Name: "cookie", Read: d.asText(&k.cookie)},
		field{Name: "query", Read: d.asText(&k.query)},
		field{Name: "visitor", Read: func(v source.Value) { k.visitor = d.visitor(v) }},
		d.refused("claim", claimRecipe, &k.other),
	)
	return k, ok
}

func (d *decoder) visitor(v source.Value) *visitorNode {
	n := &visitorNode{pos: v.KeyPlace()}
	n.bad = !d.Mapping(v, strconv.Quote(v.Key()),
		field{Name: "cookie", Read: d.asText(&n.cookie)},
		field{Name: "maxAge", Read: func(v source.Value) {
			n.maxAge = source.Parsed(&d.Reader, v, "a duration, such as 8760h for a year", func(text string) (time.Duration, bool) {
				n.maxAgeText = text
				age, err := time.ParseDuration(text)
				return age, err == nil
			})
		}},
		field{Name: "path", Read: d.asText(&n.path)},
		field{Name: "domain", Read: d.asText(&n.domain)},
		field{Name: "sameSite", Read: d.asWord(&n.sameSite, sameSites)},
		field{Name: "secure", Read: d.asBool(&n.secure)},
		field{Name: "httpOnly", Read: d.asBool(&n.httpOnly)},
	)
	return n
}

// match reads the condition of a rule. ASM's has the host alone.
func (d *decoder) match(v source.Value) *matchNode {
	m := &matchNode{pos: v.KeyPlace()}
	fields := []field{
		{Name: "hosts", Read: func(v source.Value) { m.hosts = d.Strings(v, "hosts") }},
		{Name: "paths", Read: listField(d, &m.paths, "paths, each exact or a prefix", d.path)},
		{Name: "headers", Read: listField(d, &m.headers, "headers, each with name, and exact or present", d.headerMatch)},
	}
	if d.foreign {
		fields = append(fields, field{Name: "host", Hidden: true, Read: func(v source.Value) {
			host := d.String(v)
			m.hosts = source.List[source.Scalar[string]]{Place: v.KeyPlace(), Elements: []source.Scalar[string]{host}, Set: true, Bad: host.Bad}
		}})
	}
	m.bad = !d.Mapping(v, strconv.Quote(v.Key()), fields...)
	return m
}

func (d *decoder) path(v source.Value) (p pathNode, ok bool) {
	p.pos = v.Place()
	ok = d.Mapping(v, "a path",
		field{Name: "exact", Read: d.asText(&p.exact)},
		field{Name: "prefix", Read: d.asText(&p.prefix)},
	)
	return p, ok
}

func (d *decoder) headerMatch(v source.Value) (h headerMatchNode, ok bool) {
	h.pos = v.Place()
	ok = d.Mapping(v, "a header of a match",
		field{Name: "name", Read: d.asText(&h.name)},
		field{Name: "exact", Read: d.asText(&h.exact)},
		field{Name: "present", Read: d.asBool(&h.present)},
	)
	return h, ok
}

func (d *decoder) rampStep(v source.Value) (s rampNode, ok bool) {
	s.pos = v.Place()
	ok = d.Mapping(v, "a step of a ramp",
		field{Name: "at", Read: func(v source.Value) {
			s.at = source.Parsed(&d.Reader, v, "an instant with its offset, such as 2026-12-01T09:00:00+01:00", func(text string) (at time.Time, ok bool) {
				err := at.UnmarshalText([]byte(text))
				return at, err == nil
			})
		}},
		field{Name: "range", Read: d.asInt(&s.rng)},
	)
	return s, ok
}
