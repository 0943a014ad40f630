package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A Fault is something in a value that a protobuf message cannot hold.
type Fault struct {
	At     Place // of the key, if it is a field that the message does not have
	Sort   FaultSort
	Name   string // of the field or of the type
	Reason string // in words, without what to do
}

// Faults are all faults of one message.
type Faults []Fault

// Err returns nil if there are none, else an error with a line for each.
func (fs Faults) Err() error {
	var errs []error
	for _, f := range fs {
		errs = append(errs, fmt.Errorf("%s: %s", f.At, f.Reason))
	}
	return errors.Join(errs...)
}

// A FaultSort says what a Fault is.
type FaultSort uint8

// The sorts of faults.
const (
	WrongValue   FaultSort = iota // a value of a wrong type, or one that is out of range
	UnknownField                  // a field that the message does not have
	UnknownType                   // an Any of a type that this program does not know
	NullValue                     // a field without a value, which is as if it were not there
)

// Message reads v into m, by protobuf's JSON form, whose fields have the names of the
// proto file or of JSON. What m cannot hold is left out and returned as faults, all of
// them; the rest is read. Nothing leaves m as it is.
func (v Value) Message(m proto.Message) Faults {
	if !v.Exists() {
		return nil
	}
	r := messageReader{}
	tree, ok := r.message(v, m.ProtoReflect().Descriptor())
	if !ok {
		return r.faults
	}
	text, err := json.Marshal(tree)
	if err == nil {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, m)
	}
	if err != nil { // every cause known is a fault above
		r.fault(v.at, WrongValue, "", fmt.Sprintf("%s is not a %s", v.name, m.ProtoReflect().Descriptor().Name()))
	}
	return r.faults
}

// A messageReader makes a tree for JSON of values, without what a message cannot hold.
type messageReader struct {
	faults  Faults
	visited int
}

// fault notes a fault and returns false: the value is left out.
func (r *messageReader) fault(at Place, s FaultSort, name, reason string) (any, bool) {
	if len(r.faults) < maxListed {
		r.faults = append(r.faults, Fault{at, s, name, reason})
	}
	return nil, false
}

func (r *messageReader) wrong(v Value, expected string) (any, bool) {
	return r.fault(v.at, WrongValue, v.Key(), fmt.Sprintf("%s is %s; expected %s", v.name, v.Describe(), expected))
}

// message reads a message; well-known types have forms of their own in JSON.
func (r *messageReader) message(v Value, d protoreflect.MessageDescriptor) (any, bool) {
	if r.visited++; r.visited > maxValues {
		return r.wrong(v, "fewer values: aliases expand to too many")
	}
	switch d.FullName() {
	case "google.protobuf.Any":
		return r.any(v)
	case "google.protobuf.Struct":
		if !v.IsMapping() {
			return r.wrong(v, "a mapping")
		}
		return r.free(v)
	case "google.protobuf.ListValue":
		if !v.IsList() {
			return r.wrong(v, "a list")
		}
		return r.free(v)
	case "google.protobuf.Value":
		return r.free(v)
	case "google.protobuf.Duration":
		return r.tried(v, &durationpb.Duration{}, "a duration such as 0.25s")
	case "google.protobuf.Timestamp":
		return r.tried(v, &timestamppb.Timestamp{}, "a time such as 2026-12-01T09:00:00Z")
	case "google.protobuf.FieldMask":
		return r.tried(v, &fieldmaskpb.FieldMask{}, "names of fields, separated by commas")
	}
	if d.ParentFile().Path() == "google/protobuf/wrappers.proto" {
		return r.scalar(v, d.Fields().ByName("value"))
	}
	return r.fields(v, d)
}

// fields reads the fields of an ordinary message.
func (r *messageReader) fields(v Value, d protoreflect.MessageDescriptor) (any, bool) {
	if !v.IsMapping() {
		return r.wrong(v, "a mapping")
	}
	tree := map[string]any{}
	members := map[protoreflect.Name]string{} // of oneofs: which one is set
	for _, e := range v.Entries() {
		name := e.key.Value
		f := d.Fields().ByJSONName(name)
		if f == nil {
			f = d.Fields().ByName(protoreflect.Name(name))
		}
		if f == nil {
			if name == "@type" {
				continue // of an Any, which any has read
			}
			r.fault(e.KeyPlace(), UnknownField, name, fmt.Sprintf("there is no field %q here%s", Shorten(name), offer(name, d)))
			continue
		}
		if !e.Exists() {
			r.fault(e.KeyPlace(), NullValue, name, e.name+" has no value")
			continue
		}
		if _, twice := tree[f.JSONName()]; twice {
			r.fault(e.KeyPlace(), WrongValue, name, fmt.Sprintf("duplicate field %q", name))
			continue
		}
		if o := f.ContainingOneof(); o != nil {
			if other := members[o.Name()]; other != "" {
				r.fault(e.KeyPlace(), WrongValue, name, fmt.Sprintf("%q and %q exclude each other", other, name))
				continue
			}
			members[o.Name()] = name
		}
		if value, ok := r.field(e, f); ok {
			tree[f.JSONName()] = value
		}
	}
	return tree, true
}

// offer returns the end of a message that says what the fields of a message are: all of
// them where they are few, else the one that was probably meant.
func offer(name string, d protoreflect.MessageDescriptor) string {
	const few = 16
	var json, all []string
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		json = append(json, f.JSONName())
		all = append(all, f.JSONName(), string(f.Name()))
	}
	if len(json) <= few {
		return fmt.Sprintf("%s; expected one of %s", DidYouMean(Nearest(name, json)), strings.Join(json, ", "))
	}
	return DidYouMean(Nearest(name, all))
}

func (r *messageReader) field(v Value, f protoreflect.FieldDescriptor) (any, bool) {
	switch {
	case f.IsMap():
		if !v.IsMapping() {
			return r.wrong(v, "a mapping")
		}
		tree := map[string]any{}
		for _, e := range v.Entries() {
			if value, ok := r.single(e, f.MapValue()); ok {
				tree[e.key.Value] = value
			}
		}
		return tree, true
	case f.IsList():
		if !v.IsList() {
			return r.wrong(v, "a list")
		}
		list := []any{}
		for _, e := range v.Elements() {
			if value, ok := r.single(e, f); ok {
				list = append(list, value)
			}
		}
		return list, true
	}
	return r.single(v, f)
}

func (r *messageReader) single(v Value, f protoreflect.FieldDescriptor) (any, bool) {
	if m := f.Message(); m != nil {
		return r.message(v, m)
	}
	return r.scalar(v, f)
}

// any reads an Any of a type that is known.
func (r *messageReader) any(v Value) (any, bool) {
	if !v.IsMapping() {
		return r.wrong(v, "a mapping with @type")
	}
	at := v.Get("@type")
	if !at.Exists() {
		return r.wrong(v, "a mapping with @type")
	}
	url := at.Text()
	t, err := protoregistry.GlobalTypes.FindMessageByURL(url)
	if err != nil {
		return r.fault(at.at, UnknownType, url, fmt.Sprintf("the type %s is not known", Shorten(url)))
	}
	d := t.Descriptor()
	if isWellKnown(d) {
		value, ok := r.message(v.Get("value"), d)
		return map[string]any{"@type": url, "value": value}, ok
	}
	read, ok := r.message(v, d)
	tree, isObject := read.(map[string]any)
	if !ok || !isObject {
		return nil, false
	}
	tree["@type"] = url
	return tree, true
}

// isWellKnown reports whether JSON has a form of its own for a message.
func isWellKnown(d protoreflect.MessageDescriptor) bool {
	return strings.HasPrefix(string(d.FullName()), "google.protobuf.") && d.FullName() != "google.protobuf.Empty"
}

// free reads a value that may be anything.
func (r *messageReader) free(v Value) (any, bool) {
	if r.visited++; r.visited > maxValues {
		return r.wrong(v, "fewer values: aliases expand to too many")
	}
	switch {
	case v.IsMapping():
		tree := map[string]any{}
		for _, e := range v.Entries() {
			if value, ok := r.free(e); ok {
				tree[e.key.Value] = value
			}
		}
		return tree, true
	case v.IsList():
		list := []any{}
		for _, e := range v.Elements() {
			if value, ok := r.free(e); ok {
				list = append(list, value)
			}
		}
		return list, true
	case !v.Exists():
		return nil, true
	}
	if old, is := oldBool(v.node); is && v.node.Tag == "!!bool" {
		return old, true
	}
	switch n := v.node; n.Tag {
	case "!!bool", "!!int", "!!float":
		var value any
		if err := n.Decode(&value); err != nil {
			return r.wrong(v, "a number or a boolean")
		}
		if _, err := json.Marshal(value); err != nil {
			return r.wrong(v, "a number that JSON has")
		}
		return value, true
	default:
		return n.Value, true
	}
}

// tried reads a text in a form that a message of its own checks.
func (r *messageReader) tried(v Value, m proto.Message, expected string) (any, bool) {
	text := v.Text()
	quoted, err := json.Marshal(text)
	if err != nil || !v.Exists() || protojson.Unmarshal(quoted, m) != nil {
		return r.wrong(v, expected)
	}
	return text, true
}
