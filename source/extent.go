package source

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

func (v Value) isScalarNode() bool { return v.node != nil && v.node.Kind == yaml.ScalarNode }

// isFlow reports whether v is a mapping or a list in brackets, as JSON has them.
func (v Value) isFlow() bool { return v.node.Style&yaml.FlowStyle != 0 }

// extent returns where v stands in src, in bytes: from its first one to behind its last
// one. A comment behind it is not part of it. It returns an error where v is an alias, has
// an anchor or a type, or ends with a scalar of several lines.
func (v Value) extent(src []byte) (from, to int, err error) {
	n := v.node
	if n == nil {
		return 0, 0, errors.New("it is nothing")
	}
	if err := v.aliased(); err != nil {
		return 0, 0, err
	}
	if from, err = offset(src, v.at); err != nil {
		return 0, 0, err
	}
	rest := string(src[from:])
	if n.Anchor != "" || strings.HasPrefix(rest, "!") || strings.HasPrefix(rest, "&") {
		return 0, 0, errors.New("an anchor or a type stands before it; remove that first")
	}
	length := -1
	switch {
	case n.Kind == yaml.ScalarNode:
		length = scalarLength(rest, n)
	case v.isFlow():
		length = bracketsLength(rest)
	case len(n.Content) > 0:
		last := n.Content[len(n.Content)-1]
		_, to, err = Value{text: v.text, node: Resolve(last), at: v.text.node(last), name: v.name}.extent(src)
		return from, to, err
	}
	if length < 0 {
		return 0, 0, errors.New("it has more than one line")
	}
	return from, from + length, nil
}

// aliased returns an error if v is an alias.
func (v Value) aliased() error {
	if own := v.at.text.node(v.node); own != v.at {
		return fmt.Errorf("it is an alias of the value at %s; change that", own)
	}
	return nil
}

// scalarLength returns the length of the scalar n, with which rest begins, or -1 if it
// has more than one line.
func scalarLength(rest string, n *yaml.Node) int {
	if loc := lineBreak.FindStringIndex(rest); loc != nil {
		rest = rest[:loc[0]]
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return closing(rest, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return closing(rest, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || !strings.HasPrefix(rest, n.Value):
		return -1
	}
	return len(n.Value)
}

// bracketsLength returns the length of the mapping or list in brackets with which s
// begins, or -1 if it does not end.
func bracketsLength(s string) int {
	depth := 0
	before := byte('[') // what stands in front, without blanks: quotes begin behind an indicator alone
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case (c == '"' || c == '\'') && strings.IndexByte("[{,:", before) >= 0:
			end := closing(s[i:], c)
			if end < 0 {
				return -1
			}
			i += end - 1
		case c == '#' && i > 0 && strings.IndexByte(" \t\r\n", s[i-1]) >= 0:
			loc := lineBreak.FindStringIndex(s[i:])
			if loc == nil {
				return -1
			}
			i += loc[1] - 1
			continue
		case strings.IndexByte(" \t\r\n", c) >= 0:
			continue
		}
		before = c
	}
	return -1
}
