package rules

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// match returns the conditions of a rule, and what they are made of later, when
// the slots of headers are known.
func (c *compiler) match(n *matchNode) (m Match) {
	if n == nil || n.bad {
		return m
	}
	if len(n.hosts.Elements)+len(n.paths.Elements)+len(n.headers.Elements) == 0 && !n.hosts.Bad && !n.paths.Bad && !n.headers.Bad {
		c.file.problem(n.pos, KindMatch, "this match has no condition, so it could mean every request or none; add hosts, paths or headers, or remove it")
		return m
	}
	for _, l := range []struct {
		pos  pos
		n    int
		what string
	}{{n.hosts.Place, len(n.hosts.Elements), "hosts"}, {n.paths.Place, len(n.paths.Elements), "paths"}, {n.headers.Place, len(n.headers.Elements), "headers"}} {
		if l.n > MaxConditions {
			c.file.problem(l.pos, KindMatch, fmt.Sprintf("%d %s are listed; at most %d are possible", l.n, l.what, MaxConditions))
			return m
		}
	}
	for _, v := range n.hosts.Elements {
		if host := strings.ToLower(v.V); v.OK() {
			if wrong := checkHost(host); wrong != "" {
				c.file.problem(v.Place, KindMatch, fmt.Sprintf("the host %q %s", source.Shorten(v.V), wrong))
			}
			m.Hosts = append(m.Hosts, host)
			c.looks(v.Place, authorityHeader)
		}
	}
	for _, p := range n.paths.Elements {
		if path, ok := c.path(&p); ok {
			m.Paths = append(m.Paths, path)
			c.looks(p.pos, pathHeader)
		}
	}
	for _, h := range n.headers.Elements {
		if header, ok := c.headerMatch(&h); ok {
			m.Headers = append(m.Headers, header)
			c.looks(h.name.Place, header.Name)
		}
	}
	return m
}

// checkHost returns what is wrong with a host of a match, in lower case, or "".
func checkHost(host string) string {
	name, wildcard := strings.CutPrefix(host, "*.")
	switch {
	case host == "*":
		return "is every host; leave hosts out"
	case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") && strings.Trim(host[1:len(host)-1], "0123456789abcdef:.") == "":
		return ""
	case strings.Contains(name, "://"):
		return "has a scheme, which is not part of a host; write the host alone"
	case strings.Contains(name, ":"):
		return "has a port, which is not part of a host; leave it out"
	case strings.Contains(name, "*"):
		return "has a star in the wrong place; \"*.example.com\" stands for every host below example.com"
	case wildcard && name == "":
		return "has nothing behind the star"
	}
	return checkHostName(name)
}

// path returns a path of a match.
func (c *compiler) path(n *pathNode) (p PathMatch, ok bool) {
	v := n.exact
	switch {
	case n.exact.Bad || n.prefix.Bad:
		return p, false
	case n.exact.Set == n.prefix.Set:
		c.file.problem(n.pos, KindMatch, `this path has neither exact nor prefix, or both; write one: "{exact: /}" or "{prefix: /checkout}"`)
		return p, false
	case n.prefix.Set:
		v, p.Prefix = n.prefix, true
	}
	wrong := checkVisible(v.V)
	switch {
	case !strings.HasPrefix(v.V, "/"):
		wrong = "does not begin with a slash"
	case strings.ContainsAny(v.V, "?#"):
		wrong = "has a query or a fragment, which is not part of a path; leave it out"
	case p.Prefix && len(v.V) > 1 && strings.HasSuffix(v.V, "/"):
		wrong = fmt.Sprintf("ends with a slash, and a prefix takes whole segments; write %q", cmp.Or(strings.TrimRight(v.V, "/"), "/"))
	}
	if wrong != "" {
		c.file.problem(v.Place, KindMatch, fmt.Sprintf("the path %q %s", source.Shorten(v.V), wrong))
		return p, false
	}
	p.Path = v.V
	return p, true
}

// headerMatch returns a header of a match.
func (c *compiler) headerMatch(n *headerMatchNode) (h HeaderMatch, ok bool) {
	h.Name = strings.ToLower(n.name.V)
	switch {
	case n.name.Bad || n.exact.Bad || n.present.Bad:
		return h, false
	case !n.name.Set:
		c.file.problem(n.pos, source.KindMissing, "this header of a match has no name")
		return h, false
	case h.Name == authorityHeader || h.Name == "host":
		c.file.problem(n.name.Place, KindMatch, "this is the host of a request, not a header; match it under hosts")
		return h, false
	case h.Name == pathHeader:
		c.file.problem(n.name.Place, KindMatch, "this is the path of a request, not a header; match it under paths")
		return h, false
	case checkHeaderName(h.Name) != "":
		c.file.problem(n.name.Place, KindHeader, fmt.Sprintf("the header %q %s", source.Shorten(n.name.V), checkHeaderName(h.Name)))
		return h, false
	case n.exact.Set == n.present.Set:
		c.file.problem(n.pos, KindMatch, `this header has neither exact nor present, or both; write one: "exact: VALUE", "present: true" or "present: false"`)
		return h, false
	case n.exact.Set:
		wrong := checkOverrideValue(n.exact.V)
		if n.exact.V == "" {
			wrong = "is empty; write \"present: true\" for a header that is there"
		}
		if wrong != "" {
			c.file.problem(n.exact.Place, KindMatch, fmt.Sprintf("the value %q %s", source.Shorten(n.exact.V), wrong))
			return h, false
		}
		h.Exact = n.exact.V
	case n.present.V:
		h.Test = HeaderPresent
	default:
		h.Test = HeaderAbsent
	}
	c.matchPlaces = append(c.matchPlaces, source.Scalar[string]{Place: n.name.Place, V: h.Name, Set: true})
	return h, true
}

// conditionsOf returns m ready to be executed, nil if it has no condition.
func (in *inputs) conditionsOf(m Match) *conditions {
	if m.IsZero() {
		return nil
	}
	when := &conditions{}
	for _, host := range m.Hosts {
		name, suffix := strings.CutPrefix(host, "*")
		when.hosts = append(when.hosts, hostPattern{name, suffix})
	}
	for _, p := range m.Paths {
		when.paths = append(when.paths, pathPattern{p.Path, p.Prefix})
	}
	for _, h := range m.Headers {
		when.headers = append(when.headers, headerCondition{in.slotOfHeader(h.Name), h.Test, h.Exact})
	}
	return when
}
