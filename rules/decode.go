package rules

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/source"
)

// maxNodes bounds the values that are visited. A file of MaxFileSize that spells
// everything out has fewer; only aliases of aliases have more.
const maxNodes = 600_000

// A decoder turns YAML nodes into the nodes of a File. It notes what has the
// wrong structure and goes on with the rest.
type decoder struct {
	file    *File
	visited int
}

// A field is one key that a mapping may have.
type field struct {
	name     string
	read     func(key, value *yaml.Node)
	reserved bool // refused by read: not offered in messages
}

// resolve returns n, or what n is an alias of. It returns nil once too many
// values were visited.
func (d *decoder) resolve(n *yaml.Node) *yaml.Node {
	if d.visited++; d.visited > maxNodes {
		if d.visited == maxNodes+1 {
			d.file.cut = true
			d.file.problem(at(n), source.KindAliases, fmt.Sprintf("the aliases of this file expand to more than %d values; write the rules out", maxNodes))
		}
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return d.resolve(n.Alias)
	}
	return n
}

// mapping reads the keys of n, which is called what in messages. It reports
// whether n is a mapping at all.
func (d *decoder) mapping(n *yaml.Node, what string, fields ...field) bool {
	if n = d.resolve(n); n == nil {
		return false
	}
	if n.Kind != yaml.MappingNode {
		d.file.problem(at(n), source.KindType, fmt.Sprintf("%s is %s; expected a mapping with the keys %s", what, describe(n), names(fields)))
		return false
	}
	lines := map[string]int{} // where each key stands
	for i := 0; i+1 < len(n.Content); i += 2 {
		d.entry(n, i, what, fields, lines)
	}
	return true
}

// entry reads the key at index i of the mapping n, and its value.
func (d *decoder) entry(n *yaml.Node, i int, what string, fields []field, lines map[string]int) {
	if d.file.errors > maxProblems {
		return // nothing more is listed: a file of mistakes alone takes no time
	}
	key, value := n.Content[i], n.Content[i+1]
	switch {
	case key.Kind != yaml.ScalarNode || key.Tag != "!!str" && key.Tag != "!!merge":
		d.file.problem(at(key), source.KindUnknownKey, fmt.Sprintf("%s has %s as a key; expected one of %s", what, describe(key), names(fields)))
		return
	case key.Tag == "!!merge":
		d.mergeKey(key)
		return
	}
	if line, dup := lines[key.Value]; dup {
		d.duplicateKey(key, line)
		return
	}
	lines[key.Value] = key.Line
	for _, f := range fields {
		if f.name == key.Value {
			f.read(key, value)
			return
		}
	}
	meant := source.Nearest(key.Value, fieldNames(fields))
	d.file.problem(at(key), source.KindUnknownKey, fmt.Sprintf("%s has no key %q%s; expected one of %s", what, shorten(key.Value), source.DidYouMean(meant), names(fields)))
	// What a misspelt key holds is read as what was meant, so that its problems are found and the key is not missed.
	for _, f := range fields {
		if f.name == meant && !has(n, meant) {
			f.read(key, value)
		}
	}
}

func (d *decoder) mergeKey(key *yaml.Node) {
	d.file.problem(at(key), source.KindAliases, "merge keys (<<) are not part of the rules language; write the keys out")
}

func (d *decoder) duplicateKey(key *yaml.Node, first int) {
	d.file.problem(at(key), source.KindDuplicateKey, fmt.Sprintf("the key %q stands here for the second time, first in line %d; remove one", shorten(key.Value), first))
}

// list reads the elements of n, the value of key. It reports whether n is a
// list.
func (d *decoder) list(key, n *yaml.Node, of string, read func(n *yaml.Node)) bool {
	if n = d.resolve(n); n == nil {
		return false
	}
	switch {
	case isNull(n):
		d.file.problem(at(key), source.KindMissing, fmt.Sprintf("%q has no value; expected a list of %s", key.Value, of))
		return false
	case n.Kind != yaml.SequenceNode:
		d.file.problem(at(n), source.KindType, fmt.Sprintf("%q is %s; expected a list of %s", key.Value, describe(n), of))
		return false
	}
	for _, e := range n.Content {
		read(e)
	}
	return true
}

// scalar reads n into v. Name and place are those of the key, or of the element
// of a list; parse reports whether n is what was expected.
func scalar[T any](d *decoder, name string, place pos, n *yaml.Node, v *value[T], expected string, parse func(n *yaml.Node) (T, bool)) {
	*v = value[T]{pos: at(n), set: true, bad: true}
	if n = d.resolve(n); n == nil {
		return
	}
	if isNull(n) {
		v.pos = place
		d.file.problem(place, source.KindMissing, fmt.Sprintf("%s has no value; expected %s", name, expected))
		return
	}
	if n.Kind == yaml.ScalarNode {
		if parsed, ok := parse(n); ok {
			v.v, v.bad = parsed, false
			return
		}
	}
	d.file.problem(at(n), source.KindType, fmt.Sprintf("%s is %s; expected %s", name, describe(n), expected))
}

func (d *decoder) text(name string, place pos, n *yaml.Node, v *value[string]) {
	expected := "a string"
	if n.Kind == yaml.ScalarNode && n.Tag != "!!str" && !isNull(n) {
		expected = fmt.Sprintf("a string: write %q, in quotes", n.Value)
	}
	scalar(d, name, place, n, v, expected, func(n *yaml.Node) (string, bool) { return n.Value, n.Tag == "!!str" })
}

// asText, asWord, asInt and asBool return the read function of a field.
func (d *decoder) asText(v *value[string]) func(key, n *yaml.Node) {
	return func(key, n *yaml.Node) { d.text(strconv.Quote(key.Value), at(key), n, v) }
}

func (d *decoder) asWord(v *value[string], words []string) func(key, n *yaml.Node) {
	return func(key, n *yaml.Node) {
		scalar(d, strconv.Quote(key.Value), at(key), n, v, "one of "+strings.Join(words, ", "), func(n *yaml.Node) (string, bool) {
			return n.Value, n.Tag == "!!str"
		})
	}
}

func (d *decoder) asInt(v *value[int]) func(key, n *yaml.Node) {
	return func(key, n *yaml.Node) {
		expected := "a whole number in plain decimal digits"
		if digits := strings.TrimSuffix(n.Value, "%"); n.Kind == yaml.ScalarNode && n.Tag == "!!str" && isPlainInt(digits) {
			expected += fmt.Sprintf(": write %s, without quotes or a percent sign", digits)
		}
		scalar(d, strconv.Quote(key.Value), at(key), n, v, expected, parseInt)
	}
}

func (d *decoder) asBool(v *value[bool]) func(key, n *yaml.Node) {
	return func(key, n *yaml.Node) {
		scalar(d, strconv.Quote(key.Value), at(key), n, v, "true or false", func(n *yaml.Node) (bool, bool) {
			return n.Value == "true", n.Tag == "!!bool" && n.Style == 0 && (n.Value == "true" || n.Value == "false")
		})
	}
}

// texts reads a list of strings, those that are strings.
func (d *decoder) texts(key, n *yaml.Node, of string) listOf[value[string]] {
	l := listOf[value[string]]{pos: at(key), set: true}
	l.bad = !d.list(key, n, of, func(e *yaml.Node) {
		var v value[string]
		d.text("an element of "+strconv.Quote(key.Value), at(e), e, &v)
		l.elements = append(l.elements, v)
	})
	return l
}

// parseInt reads plain decimal digits only: 010 is eight to one YAML reader and
// ten to another.
func parseInt(n *yaml.Node) (int, bool) {
	number := n.Tag == "!!int" || n.Tag == "!!float" // digits beyond 64 bits are a float to YAML
	if !number || n.Style != 0 || !isPlainInt(strings.TrimPrefix(n.Value, "-")) {
		return 0, false
	}
	i, _ := strconv.Atoi(n.Value) // of a number too large, the nearest int, which is outside of every range of the language
	return i, true
}

// isPlainInt reports whether s is decimal digits without a leading zero.
func isPlainInt(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

func describe(n *yaml.Node) string { return source.Describe(n) }

func shorten(s string) string { return source.Shorten(s) }
