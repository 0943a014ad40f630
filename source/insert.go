package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Put returns src, from which the mapping was read, with value as that of its key: in the
// place of the entry of that key, or else in front of the first of the keys before that is
// there, or behind the last entry. Value is a string, an int, a bool, a [time.Time],
// or a []any or a []Pair of these. A string has quotes where YAML 1.1 or 1.2 would read it
// as something else, such as off, 1e3 and 1:30. Every byte outside of the entry stays, and
// indentation, line ends and brackets are those of the file. It returns an error where it
// cannot do so, or if the result does not read as src with the new entry.
func Put(src []byte, mapping Value, key string, value any, before ...string) ([]byte, error) {
	if !mapping.IsMapping() || len(mapping.node.Content) == 0 {
		return nil, fmt.Errorf("couldn't write %q at %s: %s is %s; expected a mapping with a key", key, mapping.at, mapping.name, mapping.Describe())
	}
	s, err := mapping.put(src, key, value, before)
	if err != nil {
		return nil, fmt.Errorf("couldn't write %q at %s: %w", key, mapping.at, err)
	}
	return s.apply(src, mapping, func(was, is Value) bool {
		return isWritten(is.Get(key).node, value) && alike(without(was, key), without(is, key))
	})
}

// Append returns src with value behind the elements of a list, as [Put] writes it.
func Append(src []byte, list Value, value any) ([]byte, error) {
	if !list.IsList() {
		return nil, fmt.Errorf("couldn't add to %s at %s: it is %s; expected a list", list.name, list.at, list.Describe())
	}
	s, err := list.append(src, value)
	if err != nil {
		return nil, fmt.Errorf("couldn't add to %s at %s: %w", list.name, list.at, err)
	}
	return s.apply(src, list, func(was, is Value) bool {
		n := len(was.node.Content)
		return len(is.node.Content) == n+1 && isWritten(is.node.Content[n], value) && alike(was.node.Content, is.node.Content[:n])
	})
}

// Remove returns src without the entry, or the element, of index i of a mapping or list that
// has others. The comments above it stay.
func Remove(src []byte, from Value, i int) ([]byte, error) {
	s, err := from.remove(src, i)
	if err != nil {
		return nil, fmt.Errorf("couldn't remove %s at %s: %w", from.name, from.at, err)
	}
	width := from.width()
	return s.apply(src, from, func(was, is Value) bool {
		return alike(slices.Delete(slices.Clone(was.node.Content), i*width, (i+1)*width), is.node.Content)
	})
}

// A splice is a piece of a file, in bytes, and what takes its place.
type splice struct {
	from, to int
	text     string
}

// apply returns src with the splice, if that reads as src apart from in, for which holds.
func (s splice) apply(src []byte, in Value, holds func(was, is Value) bool) ([]byte, error) {
	out := slices.Concat(src[:s.from], []byte(s.text), src[s.to:])
	was, problems := Documents("", src, MaxFileSize)
	is, more := Documents("", out, MaxFileSize)
	if err := errors.Join(problems.Err(), more.Err()); err != nil {
		return nil, fmt.Errorf("the result would be unreadable: %w", err)
	}
	c := outside{in: in, holds: holds}
	if !c.documents(was, is) || c.found != 1 {
		return nil, fmt.Errorf("the change of %s at %s would read as another one", in.name, in.at)
	}
	return out, nil
}

func (v Value) put(src []byte, key string, value any, before []string) (splice, error) {
	if err := v.aliased(); err != nil {
		return splice{}, err
	}
	w := writerAt(src, v)
	if at := Index(v.node, key); at >= 0 {
		old := v.entry(at)
		from, to, err := old.extent(src)
		if err != nil {
			return splice{}, err
		}
		if list, isList := value.([]any); isList && old.IsList() && !old.isFlow() { // what stands behind the key stays
			return splice{from, to, strings.TrimPrefix(w.elements(list, strings.Repeat(" ", old.at.col-1)), w.eol+strings.Repeat(" ", old.at.col-1))}, nil
		}
		from, err = offset(src, old.KeyPlace())
		return splice{from, to, w.entry(key, value)}, err
	}
	if wide := slices.IndexFunc(before, func(k string) bool { return Index(v.node, k) >= 0 }); wide >= 0 {
		return v.insert(src, v.entry(Index(v.node, before[wide])), w.entry(key, value), w)
	}
	if v.isFlow() {
		return v.insert(src, v.entry(0), w.entry(key, value), w)
	}
	return w.below(src, v.entry(len(v.node.Content)-2), w.indent+w.entry(key, value))
}

// insert puts an entry in front of another one, and above the comments of that.
func (v Value) insert(src []byte, next Value, entry string, w writer) (splice, error) {
	at, err := offset(src, next.KeyPlace())
	if err != nil {
		return splice{}, err
	}
	line := lineStart(src, at)
	alone := strings.TrimLeft(string(src[line:at]), " ") == ""
	switch {
	case v.isFlow() && alone:
		return splice{at, at, entry + "," + w.eol + string(src[line:at])}, nil
	case v.isFlow():
		return splice{at, at, entry + ", "}, nil
	case !alone: // behind the dash of a list
		return splice{at, at, entry + w.eol + w.indent}, nil
	}
	for line > 0 {
		above := lineStart(src, line-1)
		if !strings.HasPrefix(strings.TrimLeft(string(src[above:line]), " "), "#") {
			break
		}
		line = above
	}
	return splice{line, line, w.indent + entry + w.eol}, nil
}

func (v Value) append(src []byte, value any) (splice, error) {
	w := writerAt(src, v)
	from, to, err := v.extent(src)
	if err != nil {
		return splice{}, err
	}
	elements := v.Elements()
	if len(elements) == 0 {
		return splice{from + 1, to - 1, w.flow(value)}, nil
	}
	last := elements[len(elements)-1]
	start, end, err := last.extent(src)
	switch line := lineStart(src, max(start, 0)); {
	case err != nil:
		return splice{}, err
	case !v.isFlow():
		return w.below(src, last, w.indent+"- "+w.flow(value))
	case strings.TrimLeft(string(src[line:start]), " ") == "":
		return splice{end, end, "," + w.eol + string(src[line:start]) + w.flow(value)}, nil
	}
	return splice{end, end, ", " + w.flow(value)}, nil
}

// width returns how many nodes an entry or an element has.
func (v Value) width() int {
	if v.IsMapping() {
		return 2
	}
	return 1
}

func (v Value) remove(src []byte, i int) (splice, error) {
	n := 0
	if v.node != nil {
		n = len(v.node.Content) / v.width()
	}
	if i < 0 || i >= n || n < 2 {
		return splice{}, errors.New("it has no others beside it")
	}
	part := func(i int) (from, to int, err error) { // of the index i
		if !v.IsMapping() {
			return v.element(i).extent(src)
		}
		if from, err = offset(src, v.entry(2*i).KeyPlace()); err == nil {
			_, to, err = v.entry(2 * i).extent(src)
		}
		return from, to, err
	}
	from, to, err := part(i)
	if err != nil {
		return splice{}, err
	}
	if v.isFlow() || v.IsMapping() && i == 0 {
		cut := splice{from: from, to: to}
		switch {
		case i+1 < n:
			cut.to, _, err = part(i + 1)
		default:
			_, cut.from, err = part(i - 1)
		}
		if err == nil && strings.Contains(string(src[cut.from:cut.to]), "#") && !v.isFlow() {
			cut.to = to // a comment stands there, and stays
		}
		return cut, err
	}
	start, end := lineStart(src, from), lineEnd(src, to)
	if lead := strings.TrimLeft(string(src[start:from]), " "); lead != "" && (v.IsMapping() || strings.Trim(lead, "- ") != "") {
		return splice{}, errors.New("something else stands in its line")
	}
	if rest := string(src[to:end]); v.IsMapping() && strings.Contains(rest, "#") {
		return splice{from, to + len(rest) - len(strings.TrimLeft(rest, " \t")), ""}, nil // the comment stays
	}
	if end == len(src) && start > 0 {
		return splice{len(strings.TrimRight(string(src[:start]), "\r\n")), end, ""}, nil
	}
	return splice{start, end + len(lineBreak.Find(src[end:])), ""}, nil
}

// lineStart returns the index at which the line of index i begins.
func lineStart(src []byte, i int) int {
	for i > 0 && src[i-1] != '\n' && src[i-1] != '\r' {
		i--
	}
	return i
}

// lineEnd returns the index of the line break behind index i, or that of the end.
func lineEnd(src []byte, i int) int {
	if loc := lineBreak.FindIndex(src[i:]); loc != nil {
		return i + loc[0]
	}
	return len(src)
}

// An outside is a comparison of two files apart from one value.
type outside struct {
	in    Value
	holds func(was, is Value) bool // what has to hold for the value
	found int
}

func (c *outside) documents(was, is []*Document) bool {
	return slices.EqualFunc(was, is, func(a, b *Document) bool { return c.same(a.Value, b.Value) })
}

// same reports whether a and b read alike, apart from the value that may differ. The lines
// of a literal block, such as the rules in a ConfigMap, are compared by what they mean.
func (c *outside) same(a, b Value) bool {
	if a.at.line == c.in.at.line && a.at.col == c.in.at.col && a.node.Kind == c.in.node.Kind {
		c.found++
		return a.node.Kind == b.node.Kind && c.holds(a, b)
	}
	if a.node.Kind != b.node.Kind || a.node.Tag != b.node.Tag || a.node.Anchor != b.node.Anchor || len(a.node.Content) != len(b.node.Content) {
		return false
	}
	if a.node.Value != b.node.Value {
		was, _, exact := a.Embedded()
		is, problems, exactly := b.Embedded()
		return a.node.Kind == yaml.ScalarNode && exact && exactly && len(problems) == 0 && c.documents(was, is)
	}
	for i := range a.node.Content {
		x := Value{text: a.text, node: a.node.Content[i], at: a.text.node(a.node.Content[i])}
		y := Value{text: b.text, node: b.node.Content[i], at: b.text.node(b.node.Content[i])}
		if !c.same(x, y) {
			return false
		}
	}
	return true
}

// without returns the nodes of a mapping without those of a key.
func without(mapping Value, key string) []*yaml.Node {
	nodes := slices.Clone(mapping.node.Content)
	if i := Index(mapping.node, key); i >= 0 {
		nodes = slices.Delete(nodes, i, i+2)
	}
	return nodes
}

// alike reports whether nodes read alike.
func alike(a, b []*yaml.Node) bool {
	return slices.EqualFunc(a, b, func(a, b *yaml.Node) bool {
		return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && a.Anchor == b.Anchor && alike(a.Content, b.Content)
	})
}
