package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// declare takes the owned headers from the file, or else from the options.
func (c *compiler) declare(n *tagHeadersNode, o Owned) {
	switch {
	case n != nil && !o.IsZero():
		p := pos{}
		if len(n.headers.Elements) > 0 {
			p = n.headers.Elements[0].Place
		} else if len(n.prefixes.Elements) > 0 {
			p = n.prefixes.Elements[0].Place
		}
		c.file.problem(p, KindUndeclaredTag, "tagHeaders are declared here and by flags as well; declare them in one place")
	case n != nil && n.bad:
	case n != nil:
		c.declared = c.ownedOf(n.headers.Elements, n.prefixes.Elements)
	case !o.IsZero():
		c.declared = c.ownedOf(flagValues(o.Headers), flagValues(o.Prefixes))
	}
}

// flagValues are names that stand in no file.
func flagValues(names []string) (vs []source.Scalar[string]) {
	for _, name := range names {
		vs = append(vs, source.Scalar[string]{V: name, Set: true})
	}
	return vs
}

func (c *compiler) ownedOf(headers, prefixes []source.Scalar[string]) *Owned {
	return &Owned{
		Headers:  c.headerNames(headers, "tag header", checkTagHeader),
		Prefixes: c.headerNames(prefixes, "tag prefix", checkOwnedPrefix),
	}
}

// headerNames checks the names of a declaration, which are called what in messages,
// and returns them in lower case, sorted, each once. check returns what is wrong with
// a well-formed name.
func (c *compiler) headerNames(vs []source.Scalar[string], what string, check func(string) string) []string {
	var names []string
	for _, v := range vs {
		if !v.OK() {
			continue
		}
		name := strings.ToLower(v.V)
		if wrong := checkHeaderName(name); wrong != "" {
			c.file.problem(v.Place, KindHeader, fmt.Sprintf("the %s %q %s", what, source.Shorten(v.V), wrong))
			continue
		}
		if wrong := check(name); wrong != "" {
			c.file.problem(v.Place, KindForbiddenHeader, fmt.Sprintf("the %s %q %s", what, source.Shorten(v.V), wrong))
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > MaxTagHeaders {
		c.file.problem(vs[0].Place, KindTooManyTagHeaders, fmt.Sprintf("%d %ss are declared; at most %d are possible", len(names), what, MaxTagHeaders))
		names = names[:MaxTagHeaders]
	}
	return names
}

func checkOwnedPrefix(prefix string) string {
	if wrong := checkNoStar(prefix); wrong != "" {
		return wrong
	}
	if wrong := checkBegin(prefix); wrong != "" {
		return wrong
	}
	if hit := checkTagPrefix(prefix); hit != "" {
		return fmt.Sprintf("includes %s, which a tagger must not touch; make it longer", hit)
	}
	return ""
}

func checkNoStar(prefix string) string {
	if strings.Contains(prefix, "*") {
		return "has a *, which would stand for itself; write the beginning of the names, without it"
	}
	return ""
}

// own settles which headers the table owns, and refuses keys among them: a key
// that a client sends would be removed as a forged tag.
func (c *compiler) own() {
	if c.declared != nil {
		c.table.owned, c.table.declared = *c.declared, true
	} else {
		c.table.owned.Headers = slices.Sorted(slices.Values(c.headers))
	}
	for _, h := range c.matchPlaces {
		if c.table.owned.Contains(h.V) || c.table.owned.Folds([]byte(h.V)) {
			c.file.problem(h.Place, KindKeyIsTag, fmt.Sprintf("the header %q is a tag header too, in this or another spelling, so what a client sends in it is forged; match another header", h.V))
		}
	}
	for _, k := range c.keyPlaces {
		switch {
		case c.table.owned.Contains(k.V):
			c.file.problem(k.Place, KindKeyIsTag, fmt.Sprintf("the key %q is a tag header too, so tagproc would remove what a client sends in it; use another header as the key or for the tag", k.V))
		case c.table.owned.Folds([]byte(k.V)):
			c.file.problem(k.Place, KindKeyIsTag, fmt.Sprintf("the key %q is a tag header in another spelling, so tagproc would remove what a client sends in it: servers read - _ and . in names as one character; use another header as the key or for the tag", k.V))
		}
	}
}

// tagHeader returns the header that a rule writes, in lower case.
func (c *compiler) tagHeader(n *ruleNode) string {
	name := strings.ToLower(n.tagHeader.V)
	switch {
	case n.tagHeader.Bad:
	case !n.tagHeader.Set:
		c.file.problem(n.pos, source.KindMissing, "this rule has no tagHeader; add the name of the header that it writes")
	case checkHeaderName(name) != "":
		c.file.problem(n.tagHeader.Place, KindHeader, fmt.Sprintf("the tagHeader %q %s", source.Shorten(n.tagHeader.V), checkHeaderName(name)))
	case checkTagHeader(name) != "":
		c.file.problem(n.tagHeader.Place, KindForbiddenHeader, fmt.Sprintf("the tagHeader %q %s", source.Shorten(n.tagHeader.V), checkTagHeader(name)))
	case c.declared != nil && !c.declared.Contains(name):
		c.file.problem(n.tagHeader.Place, KindUndeclaredTag, fmt.Sprintf("the tagHeader %q is not among the declared tagHeaders%s; Envoy drops a tag that its configuration does not name: declare it, and run tagproc render envoyfilter again (by hand: forward_rules, mutation_rules, early_header_mutation)",
			name, source.DidYouMean(source.Nearest(name, c.declared.Headers))))
	case !slices.Contains(c.headers, name): // once for each
		c.warnOfTagName(source.Scalar[string]{Place: n.tagHeader.Place, V: name, Set: true})
	}
	return name
}

// countHeader notes a tag header. Each has a bit in [Table.Match].
func (c *compiler) countHeader(n *ruleNode, header string) {
	if len(c.headers) > MaxTagHeaders || slices.Contains(c.headers, header) {
		return // already reported
	}
	if c.headers = append(c.headers, header); len(c.headers) > MaxTagHeaders {
		c.file.problem(n.tagHeader.Place, KindTooManyTagHeaders, fmt.Sprintf("%q is one tag header too many; a file has at most %d different ones", source.Shorten(header), MaxTagHeaders))
	}
}

// keyIndex returns the index of a key, which is added if absent.
func (c *compiler) keyIndex(k Key) int {
	i, ok := c.keys[k]
	if !ok {
		i = len(c.table.keys)
		c.keys[k] = i
		c.table.keys = append(c.table.keys, k)
	}
	return i
}

// tag returns the index of a tag, which is added if absent.
func (c *compiler) tag(header string, v source.Scalar[string]) int32 {
	if wrong := checkTagValue(v.V); wrong != "" {
		c.file.problem(v.Place, KindTagValue, fmt.Sprintf("the tagValue %q %s", source.Shorten(v.V), wrong))
		return NoTag
	}
	t := Tag{Header: header, Value: v.V}
	i, ok := c.tags[t]
	if !ok {
		i = int32(len(c.table.tags))
		c.tags[t] = i
		c.table.tags = append(c.table.tags, t)
	}
	return i
}
