package rules

import (
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// claimRecipe is how the claim of a token becomes a key.
const claimRecipe = "tokens are read by Envoy, which checks them: have it copy the claim to a header " +
	"(claim_to_headers of the jwt_authn filter; outputClaimToHeaders of Istio's RequestAuthentication), and write that header as the key"

func (d *decoder) key(n *yaml.Node) (k keyNode, ok bool) {
	k.pos = at(n)
	ok = d.mapping(n, "a key",
		field{name: "header", read: d.asText(&k.header)},
		field{name: "cookie", read: d.asText(&k.cookie)},
		field{name: "query", read: d.asText(&k.query)},
		field{name: "visitor", read: func(key, n *yaml.Node) { k.visitor = d.visitor(key, n) }},
		d.refused("claim", claimRecipe, &k.other),
	)
	return k, ok
}

func (d *decoder) visitor(key, n *yaml.Node) *visitorNode {
	v := &visitorNode{pos: at(key)}
	v.bad = !d.mapping(n, strconv.Quote(key.Value),
		field{name: "cookie", read: d.asText(&v.cookie)},
		field{name: "maxAge", read: func(key, n *yaml.Node) {
			scalar(d, strconv.Quote(key.Value), at(key), n, &v.maxAge, "a duration, such as 8760h for a year", func(n *yaml.Node) (time.Duration, bool) {
				age, err := time.ParseDuration(n.Value)
				return age, err == nil && n.Tag == "!!str"
			})
		}},
		field{name: "path", read: d.asText(&v.path)},
		field{name: "domain", read: d.asText(&v.domain)},
		field{name: "sameSite", read: d.asWord(&v.sameSite, sameSites)},
		field{name: "secure", read: d.asBool(&v.secure)},
		field{name: "httpOnly", read: d.asBool(&v.httpOnly)},
	)
	return v
}

func (d *decoder) match(key, n *yaml.Node) *matchNode {
	m := &matchNode{pos: at(key)}
	m.bad = !d.mapping(n, strconv.Quote(key.Value),
		field{name: "hosts", read: func(key, n *yaml.Node) { m.hosts = d.texts(key, n, "hosts") }},
		field{name: "paths", read: listField(d, &m.paths, "paths, each exact or a prefix", d.path)},
		field{name: "headers", read: listField(d, &m.headers, "headers, each with name, and exact or present", d.headerMatch)},
	)
	return m
}

func (d *decoder) path(n *yaml.Node) (p pathNode, ok bool) {
	p.pos = at(n)
	ok = d.mapping(n, "a path",
		field{name: "exact", read: d.asText(&p.exact)},
		field{name: "prefix", read: d.asText(&p.prefix)},
	)
	return p, ok
}

func (d *decoder) headerMatch(n *yaml.Node) (h headerMatchNode, ok bool) {
	h.pos = at(n)
	ok = d.mapping(n, "a header of a match",
		field{name: "name", read: d.asText(&h.name)},
		field{name: "exact", read: d.asText(&h.exact)},
		field{name: "present", read: d.asBool(&h.present)},
	)
	return h, ok
}

func (d *decoder) rampStep(n *yaml.Node) (s rampNode, ok bool) {
	s.pos = at(n)
	ok = d.mapping(n, "a step of a ramp",
		field{name: "at", read: func(key, n *yaml.Node) {
			scalar(d, strconv.Quote(key.Value), at(key), n, &s.at, "an instant with its offset, such as 2026-12-01T09:00:00+01:00", func(n *yaml.Node) (at time.Time, ok bool) {
				err := at.UnmarshalText([]byte(n.Value))
				return at, err == nil && (n.Tag == "!!str" || n.Tag == "!!timestamp")
			})
		}},
		field{name: "range", read: d.asInt(&s.rng)},
	)
	return s, ok
}

func (d *decoder) partition(n *yaml.Node) (p partitionNode, ok bool) {
	p.pos = at(n)
	ok = d.mapping(n, "a partition",
		field{name: "partitionSize", read: d.asInt(&p.size)},
		field{name: "tagValue", read: d.asText(&p.tagValue)},
		d.refused("range", `a partition has "partitionSize", the number of its buckets; policies have "range"`, new(bool)),
	)
	return p, ok
}

func (d *decoder) forwarded(key, n *yaml.Node) {
	f := &forwardedNode{pos: at(key)}
	d.file.forwarded = f
	f.bad = !d.mapping(n, strconv.Quote(key.Value),
		field{name: "headers", read: func(key, n *yaml.Node) { f.headers = d.texts(key, n, "header names") }},
	)
}
