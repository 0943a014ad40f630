package source

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Scalar is a scalar of a file and where it stands.
type Scalar[T any] struct {
	Place // of null, that of its key

	V   T
	Set bool // the key is there
	Bad bool // the value is of a wrong type, already reported
}

// OK reports whether the scalar is there and readable.
func (s Scalar[T]) OK() bool { return s.Set && !s.Bad }

// scalar reads v; parse reports whether a scalar is what was expected.
func scalar[T any](r *Reader, v Value, expected string, parse func(n *yaml.Node) (T, bool)) Scalar[T] {
	s := Scalar[T]{Place: v.at, Set: true, Bad: true}
	switch {
	case v.shape != nil:
		v.shape.scalar(any(s.V))
		return s
	case !r.Visit(v):
		return s
	case !v.Exists():
		s.Place = v.KeyPlace()
		r.Add(s.Problem(Error, KindMissing, fmt.Sprintf("%s has no value; expected %s", v.name, expected)))
		return s
	case v.node.Kind == yaml.ScalarNode:
		if parsed, ok := parse(v.node); ok {
			s.V, s.Bad = parsed, false
			return s
		}
	}
	message := fmt.Sprintf("%s is %s; expected %s", v.name, v.Describe(), expected)
	if v.isTemplate() {
		message += "; {{ }} is of a template, which has to be rendered first"
	}
	r.Add(v.Problem(Error, KindType, message))
	return s
}

// String reads a text.
func (r *Reader) String(v Value) Scalar[string] {
	expected := "a string"
	if v.Exists() && v.node.Kind == yaml.ScalarNode && v.node.Tag != "!!str" {
		expected = quoted(v.node)
	}
	return scalar(r, v, expected, func(n *yaml.Node) (string, bool) { return n.Value, n.Tag == "!!str" })
}

// Word reads a text that should be one of words. Whether it is, is for the caller.
func (r *Reader) Word(v Value, words []string) Scalar[string] {
	expected := "one of " + strings.Join(words, ", ")
	if v.shape != nil {
		v.shape.Words = words
	}
	if v.Exists() && v.node.Tag == "!!bool" && slices.Contains(words, v.node.Value) {
		expected = quoted(v.node)
	}
	return scalar(r, v, expected, func(n *yaml.Node) (string, bool) { return n.Value, n.Tag == "!!str" })
}

// Parsed reads a text, or what YAML takes for a time, that parse understands.
func Parsed[T any](r *Reader, v Value, expected string, parse func(text string) (T, bool)) Scalar[T] {
	return scalar(r, v, expected, func(n *yaml.Node) (parsed T, ok bool) {
		if n.Tag != "!!str" && n.Tag != "!!timestamp" {
			return parsed, false
		}
		return parse(n.Value)
	})
}

// Bool reads true or false, as plain words: yes and on are texts to some readers.
func (r *Reader) Bool(v Value) Scalar[bool] {
	return scalar(r, v, "true or false", func(n *yaml.Node) (bool, bool) {
		return n.Value == "true", n.Tag == "!!bool" && n.Style == 0 && (n.Value == "true" || n.Value == "false")
	})
}

// Int reads a whole number in plain decimal digits: 010 is eight to one YAML reader
// and ten to another.
func (r *Reader) Int(v Value) Scalar[int] {
	expected := "a whole number in plain decimal digits"
	if v.Exists() && v.node.Kind == yaml.ScalarNode && len(v.node.Value) > 18 && isPlainInt(strings.TrimPrefix(v.node.Value, "-")) {
		expected = "a whole number of at most 18 digits"
	} else if v.Exists() && v.node.Kind == yaml.ScalarNode && v.node.Tag == "!!str" {
		if digits := strings.TrimSuffix(v.node.Value, "%"); isPlainInt(digits) {
			expected += fmt.Sprintf(": write %s, without quotes or a percent sign", Shorten(digits))
		}
	}
	return scalar(r, v, expected, parseInt)
}

// IntIn reads a whole number from low to high.
func (r *Reader) IntIn(v Value, low, high int) Scalar[int] {
	return scalar(r, v, fmt.Sprintf("a whole number from %d to %d", low, high), func(n *yaml.Node) (int, bool) {
		i, ok := parseInt(n)
		return i, ok && low <= i && i <= high
	})
}

func parseInt(n *yaml.Node) (int, bool) {
	number := n.Tag == "!!int" || n.Tag == "!!float" // digits beyond 64 bits are a float to YAML
	if !number || n.Style != 0 || !isPlainInt(strings.TrimPrefix(n.Value, "-")) {
		return 0, false
	}
	i, err := strconv.Atoi(n.Value)
	return i, err == nil
}

// isPlainInt reports whether s is decimal digits without a leading zero.
func isPlainInt(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}
