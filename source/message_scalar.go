package source

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// scalar reads the value of a field that is not a message.
func (r *messageReader) scalar(v Value, f protoreflect.FieldDescriptor) (any, bool) {
	if r.visited++; r.visited > maxValues {
		return r.wrong(v, "fewer values: aliases expand to too many")
	}
	n := v.node
	if n == nil || n.Kind != yaml.ScalarNode {
		return r.wrong(v, kindName(f))
	}
	switch f.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		if n.Tag == "!!str" || n.Tag == "!!timestamp" {
			return n.Value, true
		}
		return r.wrong(v, quoted(n))
	case protoreflect.BoolKind:
		if n.Tag == "!!bool" {
			old, is := oldBool(n)
			return old || !is && strings.EqualFold(n.Value, "true"), true
		}
	case protoreflect.EnumKind:
		if e := f.Enum().Values().ByName(protoreflect.Name(n.Value)); n.Tag == "!!str" && e != nil {
			return n.Value, true
		}
		if i, err := strconv.ParseInt(n.Value, 10, 32); n.Tag == "!!int" && err == nil {
			return i, true
		}
	default:
		if value, ok := number(n, f.Kind()); ok {
			return value, true
		}
	}
	return r.wrong(v, kindName(f))
}

// quoted says that a scalar should be a string, and how it is written as one.
func quoted(n *yaml.Node) string {
	return fmt.Sprintf("a string: write %q, in quotes", Shorten(n.Value))
}

// number reads a number of a kind: as such, or, as protobuf's JSON form allows, as a
// text of one.
func number(n *yaml.Node, k protoreflect.Kind) (any, bool) {
	text := n.Value
	if n.Tag == "!!int" || n.Tag == "!!float" {
		var value any
		if n.Decode(&value) != nil {
			return nil, false
		}
		written, err := json.Marshal(value)
		if err != nil {
			return nil, false
		}
		text = string(written)
	} else if n.Tag != "!!str" {
		return nil, false
	}
	bits := 64
	var err error
	switch k {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		bits = 32
		_, err = strconv.ParseInt(text, 10, bits)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		_, err = strconv.ParseInt(text, 10, bits)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		bits = 32
		_, err = strconv.ParseUint(text, 10, bits)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		_, err = strconv.ParseUint(text, 10, bits)
	case protoreflect.FloatKind:
		bits = 32
		_, err = strconv.ParseFloat(text, bits)
	default:
		_, err = strconv.ParseFloat(text, bits)
	}
	if err != nil {
		return nil, false
	}
	return text, true // protobuf's JSON form takes numbers as texts
}

// kindName says what a field holds, for messages.
func kindName(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.StringKind:
		return "a string"
	case protoreflect.BytesKind:
		return "a string in base64"
	case protoreflect.EnumKind:
		var words []string
		for i := range min(f.Enum().Values().Len(), 12) {
			words = append(words, string(f.Enum().Values().Get(i).Name()))
		}
		return "one of " + strings.Join(words, ", ")
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "a number"
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "a whole number that is not negative"
	default:
		return "a whole number"
	}
}
