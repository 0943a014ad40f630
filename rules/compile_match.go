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
	if len(n.hosts.elements)+len(n.paths.elements)+len(n.headers.elements) == 0 && !n.hosts.bad && !n.paths.bad && !n.headers.bad {
		c.file.problem(n.pos, KindMatch, "this match has no condition, so it could mean every request or none; add hosts, paths or headers, or remove it")
		return m
	}
	for _, l := range []struct {
		pos  pos
		n    int
		what string
	}{{n.hosts.pos, len(n.hosts.elements), "hosts"}, {n.paths.pos, len(n.paths.elements), "paths"}, {n.headers.pos, len(n.headers.elements), "headers"}} {
		if l.n > MaxConditions {
			c.file.problem(l.pos, KindMatch, fmt.Sprintf("%d %s are listed; at most %d are possible", l.n, l.what, MaxConditions))
			return m
		}
	}
	for _, v := range n.hosts.elements {
		if host := strings.ToLower(v.v); v.ok() {
			if wrong := checkHost(host); wrong != "" {
				c.file.problem(v.pos, KindMatch, fmt.Sprintf("the host %q %s", source.Shorten(v.v), wrong))
			}
			m.Hosts = append(m.Hosts, host)
			c.looks(v.pos, authorityHeader)
		}
	}
	for _, p := range n.paths.elements {
		if path, ok := c.path(&p); ok {
			m.Paths = append(m.Paths, path)
			c.looks(p.pos, pathHeader)
		}
	}
	for _, h := range n.headers.elements {
		if header, ok := c.headerMatch(&h); ok {
			m.Headers = append(m.Headers, header)
			c.looks(h.name.pos, header.Name)
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
	case n.exact.bad || n.prefix.bad:
		return p, false
	case n.exact.set == n.prefix.set:
		c.file.problem(n.pos, KindMatch, `this path has neither exact nor prefix, or both; write one: "{exact: /}" or "{prefix: /checkout}"`)
		return p, false
	case n.prefix.set:
		v, p.Prefix = n.prefix, true
	}
	wrong := checkVisible(v.v)
	switch {
	case !strings.HasPrefix(v.v, "/"):
		wrong = "does not begin with a slash"
	case strings.ContainsAny(v.v, "?#"):
		wrong = "has a query or a fragment, which is not part of a path; leave it out"
	case p.Prefix && len(v.v) > 1 && strings.HasSuffix(v.v, "/"):
		wrong = fmt.Sprintf("ends with a slash, and a prefix takes whole segments; write %q", cmp.Or(strings.TrimRight(v.v, "/"), "/"))
	}
	if wrong != "" {
		c.file.problem(v.pos, KindMatch, fmt.Sprintf("the path %q %s", source.Shorten(v.v), wrong))
		return p, false
	}
	p.Path = v.v
	return p, true
}

// headerMatch returns a header of a match.
func (c *compiler) headerMatch(n *headerMatchNode) (h HeaderMatch, ok bool) {
	h.Name = strings.ToLower(n.name.v)
	switch {
	case n.name.bad || n.exact.bad || n.present.bad:
		return h, false
	case !n.name.set:
		c.file.problem(n.pos, source.KindMissing, "this header of a match has no name")
		return h, false
	case h.Name == authorityHeader || h.Name == "host":
		c.file.problem(n.name.pos, KindMatch, "this is the host of a request, not a header; match it under hosts")
		return h, false
	case h.Name == pathHeader:
		c.file.problem(n.name.pos, KindMatch, "this is the path of a request, not a header; match it under paths")
		return h, false
	case checkHeaderName(h.Name) != "":
		c.file.problem(n.name.pos, KindHeader, fmt.Sprintf("the header %q %s", source.Shorten(n.name.v), checkHeaderName(h.Name)))
		return h, false
	case n.exact.set == n.present.set:
		c.file.problem(n.pos, KindMatch, `this header has neither exact nor present, or both; write one: "exact: VALUE", "present: true" or "present: false"`)
		return h, false
	case n.exact.set:
		wrong := checkOverrideValue(n.exact.v)
		if n.exact.v == "" {
			wrong = "is empty; write \"present: true\" for a header that is there"
		}
		if wrong != "" {
			c.file.problem(n.exact.pos, KindMatch, fmt.Sprintf("the value %q %s", source.Shorten(n.exact.v), wrong))
			return h, false
		}
		h.Exact = n.exact.v
	case n.present.v:
		h.Test = HeaderPresent
	default:
		h.Test = HeaderAbsent
	}
	c.matchPlaces = append(c.matchPlaces, value[string]{pos: n.name.pos, v: h.Name, set: true})
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
