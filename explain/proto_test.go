package explain

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	tagprocv1 "github.com/tagproc/tagproc/proto/tagproc/v1"
	"github.com/tagproc/tagproc/rules"
)

// TestProto checks that the message in proto/ has the fields of a Decision's JSON, and no
// other.
func TestProto(t *testing.T) {
	t.Parallel()
	checkFields(t, reflect.TypeFor[Decision](), (&tagprocv1.Decision{}).ProtoReflect().Descriptor())
}

// checkFields compares the fields of a struct, and of those in it, with a message's.
func checkFields(t *testing.T, goType reflect.Type, m protoreflect.MessageDescriptor) {
	t.Helper()
	names := map[string]bool{}
	for field := range goType.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names[name] = true
		f := m.Fields().ByJSONName(name)
		if f == nil {
			t.Errorf("the message %s has no field for %q of %s", m.Name(), name, goType.Name())
			continue
		}
		inner := field.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if f.Message() != nil && inner.Kind() == reflect.Struct {
			checkFields(t, inner, f.Message())
		}
	}
	for i := range m.Fields().Len() {
		if name := m.Fields().Get(i).JSONName(); !names[name] {
			t.Errorf("%s has no field %q, which the message %s has", goType.Name(), name, m.Name())
		}
	}
}

// TestProtoReadsJSON checks that the JSON of decisions reads strictly as the message, and
// says the same.
func TestProtoReadsJSON(t *testing.T) {
	t.Parallel()
	const file = `
propagation: {headers: [x-lane]}
rules:
- {header: x-user-id, tagHeader: x-lane, policies: [{range: 50, tagValue: s2}]}
- {name: salted, keys: [{cookie: uid}, {query: uid}], tagHeader: x-b, hash: xxh3, salt: a, policies: [{range: 100, tagValue: v2}]}
- {name: host, header: x-user-id, match: {hosts: [shop.example.com]}, tagHeader: x-c, policies: [{range: 1, tagValue: v}]}
- {name: named, header: x-user-id, tagHeader: x-d, overrides: [{values: [jack], tagValue: v}], policies: [{range: 1, tagValue: v}]}
- name: ramp
  header: x-user-id
  tagHeader: x-e
  policies:
  - tagValue: v
    ramp: [{at: 2026-01-01T00:00:00Z, range: 10}, {at: 2096-01-01T00:00:00Z, range: 20}]
- {name: visitor, keys: [{visitor: {cookie: v}}], tagHeader: x-f, policies: [{range: 100, tagValue: v}]}
`
	table, problems := rules.Load("rules.yaml", []byte(file), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	for _, headers := range [][]Header{
		{{"x-user-id", "jack"}, {"cookie", "uid=1"}, {":authority", "shop.example.com"}, {"x-lane", "forged"}, {"baggage", "x-lane=forged,a=b"}, {"correlation-context", "x-lane=forged"}},
		{{":path", "/?uid=7"}},
	} {
		d := Request(table, headers)
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var m tagprocv1.Decision
		if err := protojson.Unmarshal(text, &m); err != nil {
			t.Fatalf("the JSON is not the message: %v\n%s", err, text)
		}
		for i, rule := range d.Rules {
			got := m.GetRules()[i]
			if got.GetReason() != rule.Reason || got.HashValue != nil != (rule.HashValue != nil) || rule.HashValue != nil && got.GetHashValue() != rule.HashValue.value {
				t.Errorf("rule %s is %v as a message, want %+v", rule.Name, got, rule)
			}
		}
	}
}
