package source

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A Pair is a key of a mapping that is written, and its value.
type Pair struct {
	Key   string
	Value any
}

// A writer writes values as a file has them at one place.
type writer struct {
	quotes bool   // keys and texts are in double quotes, as in JSON
	lines  bool   // a list has a line for each element
	indent string // of the entries of the mapping, or of the dashes of the list, that is written to
	deeper string // of a list that is the value of an entry, from the indentation of its key
	eol    string
}

func writerAt(src []byte, v Value) writer {
	w := writer{lines: !v.isFlow(), indent: strings.Repeat(" ", v.at.col-1), eol: "\n"}
	if at, err := offset(src, v.at); err == nil && strings.HasPrefix(string(src[lineEnd(src, at):]), "\r\n") {
		w.eol = "\r\n"
	}
	first := v.node
	for first.Kind != yaml.ScalarNode && len(first.Content) > 0 {
		first = first.Content[0]
	}
	w.quotes = v.isFlow() && first.Style&yaml.DoubleQuotedStyle != 0
	w.deeper = listIndent(v.text.lines[:v.at.line])
	return w
}

// listIndent returns by how much the dashes of the last list in lines are to the right of
// its key.
func listIndent(lines []string) string {
	for i := len(lines) - 1; i > 0; i-- {
		dash := len(lines[i]) - len(strings.TrimLeft(lines[i], " "))
		above, _, _ := strings.Cut(lines[i-1], " #")
		if above = strings.TrimRight(above, " \r"); !strings.HasPrefix(lines[i][dash:], "- ") || !strings.HasSuffix(above, ":") {
			continue
		}
		if key := len(above) - len(strings.TrimLeft(above, "- ")); key <= dash {
			return strings.Repeat(" ", dash-key)
		}
	}
	return ""
}

// entry returns "key: value". The lines behind its first one have the indentation of the
// mapping.
func (w writer) entry(key string, value any) string {
	list, isList := value.([]any)
	if !w.lines || !isList {
		return w.key(key) + w.flow(value)
	}
	return key + ":" + w.elements(list, w.indent+w.deeper)
}

// elements returns the lines of a list, each behind a line break.
func (w writer) elements(list []any, indent string) string {
	var b strings.Builder
	for _, element := range list {
		b.WriteString(w.eol + indent + "- " + w.flow(element))
	}
	return b.String()
}

// below puts text, a line, below the one that a value ends in.
func (w writer) below(src []byte, last Value, text string) (splice, error) {
	_, end, err := last.extent(src)
	if err != nil {
		return splice{}, err
	}
	end = lineEnd(src, end)
	return splice{end, end, w.eol + text}, nil
}

func (w writer) key(key string) string {
	if w.quotes {
		return doubleQuoted(key) + ": "
	}
	return key + ": "
}

// flow returns a value in one line.
func (w writer) flow(value any) string {
	var parts []string
	switch v := value.(type) {
	case string:
		if !w.quotes && isPlain(v, "!!str") && !isOldScalar(v) {
			return v
		}
		return doubleQuoted(v)
	case time.Time:
		if w.quotes {
			return doubleQuoted(writtenText(v))
		}
		return writtenText(v)
	case []any:
		for _, e := range v {
			parts = append(parts, w.flow(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []Pair:
		for _, p := range v {
			parts = append(parts, w.key(p.Key)+w.flow(p.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return writtenText(v)
	}
}

// writtenText returns what a scalar reads as.
func writtenText(value any) string {
	if t, is := value.(time.Time); is {
		return t.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(value)
}

// isWritten reports whether a node reads as value.
func isWritten(n *yaml.Node, value any) bool {
	if n == nil {
		return false
	}
	switch v := value.(type) {
	case []any:
		if n.Kind != yaml.SequenceNode || len(n.Content) != len(v) {
			return false
		}
		for i, e := range v {
			if !isWritten(n.Content[i], e) {
				return false
			}
		}
		return true
	case []Pair:
		if n.Kind != yaml.MappingNode || len(n.Content) != 2*len(v) {
			return false
		}
		for i, p := range v {
			if n.Content[2*i].Value != p.Key || !isWritten(n.Content[2*i+1], p.Value) {
				return false
			}
		}
		return true
	case string:
		return n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Value == v
	default:
		return n.Kind == yaml.ScalarNode && n.Value == writtenText(v)
	}
}

// Written returns a value that [Put] writes, in one line.
func Written(value any) string { return writer{}.flow(value) }
