package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// whoKeys are the keys of a rule: those that it lists, or its one header.
func (c *compiler) whoKeys(n *ruleNode) (keys []Key) {
	switch {
	case n.header.Set && n.keys.Set:
		c.file.problem(n.keys.Place, source.KindDuplicateKey, `this rule has both "header" and "keys"; list the header under keys as well: "- {header: x-user-id}"`)
		return nil
	case n.header.Set:
		if k, ok := c.headerKey(n.header); ok {
			keys = append(keys, k)
		}
		return keys
	case !n.keys.Set:
		if !n.otherKey {
			c.file.problem(n.pos, source.KindMissing, "this rule has no header and no keys; add the request header that holds the user's id, or the list of places that may hold it")
		}
		return nil
	case len(n.keys.Elements) == 0 && !n.keys.Bad:
		c.file.problem(n.keys.Place, source.KindMissing, "this list of keys is empty; add the places that hold the user's id")
	}
	for i := range n.keys.Elements {
		e := &n.keys.Elements[i]
		if i == MaxKeys {
			c.file.problem(e.pos, KindKey, fmt.Sprintf("this is key %d of the rule; at most %d are possible", i+1, MaxKeys))
			break
		}
		k, ok := c.oneKey(e)
		switch {
		case !ok:
			continue
		case slices.Contains(keys, k):
			c.file.problem(e.pos, KindKey, fmt.Sprintf("this rule has the key %q twice; remove one", k))
		case k.Source == KeyVisitor && i < len(n.keys.Elements)-1:
			c.file.problem(e.pos, KindKey, "the visitor is not the last key: everybody has it, so tagproc never reads the keys after it; list it last")
		}
		keys = append(keys, k)
	}
	return keys
}

// oneKey returns one element of keys.
func (c *compiler) oneKey(n *keyNode) (Key, bool) {
	var sources []string
	for s, is := range []bool{KeyHeader: n.header.Set, KeyCookie: n.cookie.Set, KeyQuery: n.query.Set, KeyVisitor: n.visitor != nil} {
		if is {
			sources = append(sources, KeySource(s).String())
		}
	}
	switch {
	case n.other:
		return Key{}, false
	case len(sources) == 0:
		c.file.problem(n.pos, source.KindMissing, "this key names no place; add one of "+strings.Join(keySourceNames, ", "))
		return Key{}, false
	case len(sources) > 1:
		c.file.problem(n.pos, KindKey, fmt.Sprintf("this key has %s; make each an element of its own, in the order in which tagproc looks for them", strings.Join(sources, " and ")))
		return Key{}, false
	case n.header.Set:
		return c.headerKey(n.header)
	case n.cookie.OK():
		if wrong := checkCookieName(n.cookie.V); wrong != "" {
			c.file.problem(n.cookie.Place, KindKey, fmt.Sprintf("the cookie %q %s", source.Shorten(n.cookie.V), wrong))
			return Key{}, false
		}
		c.looks(n.cookie.Place, cookieHeader)
		return Key{KeyCookie, n.cookie.V}, true
	case n.query.OK():
		if wrong := checkParameter(n.query.V); wrong != "" {
			c.file.problem(n.query.Place, KindKey, fmt.Sprintf("the query parameter %q %s", source.Shorten(n.query.V), wrong))
			return Key{}, false
		}
		c.looks(n.query.Place, pathHeader)
		return Key{KeyQuery, n.query.V}, true
	case n.visitor != nil && !n.visitor.bad:
		return c.visitor(n.visitor)
	}
	return Key{}, false
}

// headerKey returns a header as a key.
func (c *compiler) headerKey(v source.Scalar[string]) (Key, bool) {
	name := strings.ToLower(v.V)
	switch {
	case v.Bad:
		return Key{}, false
	case name == authorityHeader, name == pathHeader:
		c.file.problem(v.Place, KindHeader, fmt.Sprintf("%q is a pseudo-header, not a user's id; for some hosts or paths write a \"match\", for a parameter of the query a key \"query\"", name))
		return Key{}, false
	case checkHeaderName(name) != "":
		c.file.problem(v.Place, KindHeader, fmt.Sprintf("the header %q %s", source.Shorten(v.V), checkHeaderName(name)))
		return Key{}, false
	case name == "host":
		c.file.problem(v.Place, KindForbiddenHeader, "the header \"host\" never arrives: Envoy turns it into :authority; use a header that holds the user's id")
		return Key{}, false
	}
	place := source.Scalar[string]{Place: v.Place, V: name, Set: true}
	c.keyPlaces = append(c.keyPlaces, place)
	c.warnOfKey(place)
	c.looks(v.Place, name)
	return Key{KeyHeader, name}, true
}

// checkParameter returns what is wrong with the name of a query's parameter, or "".
// It is written as it is once it is decoded.
func checkParameter(name string) string {
	if name == "" {
		return "is empty"
	}
	if i := strings.IndexAny(name, "%+&=#,"); i >= 0 {
		return fmt.Sprintf("has the character %q; write the decoded name, without %%, +, &, =, # and commas", name[i])
	}
	return checkVisible(name)
}

// visitor returns the key of a visitor, whose cookie is added to the table.
func (c *compiler) visitor(n *visitorNode) (Key, bool) {
	v := defaultVisitor
	for _, f := range []struct {
		from source.Scalar[string]
		to   *string
	}{{n.cookie, &v.Cookie}, {n.path, &v.Path}, {n.domain, &v.Domain}} {
		if f.from.Bad {
			return Key{}, false
		}
		if f.from.Set {
			*f.to = f.from.V
		}
	}
	for _, f := range []struct {
		from source.Scalar[bool]
		to   *bool
	}{{n.secure, &v.Secure}, {n.httpOnly, &v.HTTPOnly}} {
		if f.from.OK() {
			*f.to = f.from.V
		}
	}
	if n.maxAge.Bad || n.secure.Bad || n.httpOnly.Bad || n.sameSite.Bad {
		return Key{}, false
	}
	if n.maxAge.Set {
		v.MaxAge = n.maxAge.V
	}
	if n.sameSite.Set {
		i := slices.IndexFunc(sameSites, func(s string) bool { return strings.EqualFold(s, n.sameSite.V) })
		if i < 0 {
			c.file.problem(n.sameSite.Place, KindVisitor, fmt.Sprintf("there is no sameSite %q%s; expected one of %s", source.Shorten(n.sameSite.V), source.DidYouMean(source.Nearest(n.sameSite.V, sameSites)), strings.Join(sameSites, ", ")))
			return Key{}, false
		}
		v.SameSite = sameSites[i]
	}
	if n.domain.Set && v.Domain == "" {
		c.file.problem(n.domain.Place, KindVisitor, "the domain is empty; leave it out for the host of the request alone")
		return Key{}, false
	}
	fine := true
	for _, f := range []struct {
		wrong string
		at    pos
	}{
		{v.checkCookie(), cmp.Or(n.cookie.Place, n.pos)},
		{v.checkMaxAge(n.maxAgeText), cmp.Or(n.maxAge.Place, n.pos)},
		{v.checkPath(), cmp.Or(n.path.Place, n.pos)},
		{v.checkDomain(), cmp.Or(n.domain.Place, n.pos)},
	} {
		if f.wrong != "" {
			c.file.problem(f.at, KindVisitor, f.wrong)
			fine = false
		}
	}
	if wrong := v.checkTogether(); fine && wrong != "" {
		c.file.problem(n.pos, KindVisitor, wrong)
		fine = false
	}
	if !fine {
		return Key{}, false
	}
	i := slices.IndexFunc(c.table.visitors, func(o Visitor) bool { return o.Cookie == v.Cookie })
	switch {
	case i < 0 && len(c.table.visitors) == MaxVisitors:
		c.file.problem(n.pos, KindVisitor, fmt.Sprintf("%q is one visitor cookie too many; a file has at most %d different ones", v.Cookie, MaxVisitors))
	case i < 0:
		c.table.visitors = append(c.table.visitors, v)
		c.visitorLines = append(c.visitorLines, n.pos.Line())
	case c.table.visitors[i] != v:
		c.file.problem(n.pos, KindVisitor, fmt.Sprintf("the cookie %q has other attributes in line %d; write the same ones in each rule", v.Cookie, c.visitorLines[i]))
	}
	c.looks(n.pos, cookieHeader)
	return Key{KeyVisitor, v.Cookie}, true
}

// looks notes that something in the file, at p, needs a header of the request.
func (c *compiler) looks(p pos, header string) {
	c.inputs = append(c.inputs, source.Scalar[string]{Place: p, V: header, Set: true})
}

// forward settles what Envoy sends, and refuses what needs more than that.
func (c *compiler) forward(n *forwardedNode) {
	if n == nil || n.bad {
		return
	}
	if len(n.headers.Elements) == 0 && !n.headers.Bad {
		c.file.problem(n.pos, source.KindMissing, "forwarded names no header; list what Envoy sends to tagproc under headers")
		return
	}
	forwarded := []string{}
	for _, v := range n.headers.Elements {
		name := strings.ToLower(v.V)
		if pseudo := name == authorityHeader || name == pathHeader; !pseudo && checkHeaderName(name) != "" {
			c.file.problem(v.Place, KindHeader, fmt.Sprintf("the forwarded header %q %s", source.Shorten(v.V), checkHeaderName(name)))
			continue
		}
		forwarded = append(forwarded, name)
	}
	slices.Sort(forwarded)
	forwarded = slices.Compact(forwarded)
	for _, v := range c.inputs {
		if !slices.Contains(forwarded, v.V) {
			c.file.problem(v.Place, KindNotForwarded, fmt.Sprintf("this needs the header %q, which is not forwarded%s; add it to forwarded, and run tagproc render envoyfilter again (by hand: forward_rules)",
				v.V, source.DidYouMean(source.Nearest(v.V, forwarded))))
		}
	}
	c.table.forwarded = forwarded
}
