package source

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestShape checks that whatever a Reader reads tells its shape.
func TestShape(t *testing.T) {
	t.Parallel()
	var r Reader
	got := ShapeOf(func(v Value) {
		r.Mapping(v, "a thing",
			Field{Name: "name", Read: func(v Value) { r.String(v) }},
			Field{Name: "mode", Read: func(v Value) { r.Word(v, []string{"on", "off"}) }},
			Field{Name: "age", Read: func(v Value) {
				Parsed(&r, v, "a duration", func(string) (time.Duration, bool) { return 0, true })
			}},
			Field{Name: "sizes", Read: func(v Value) { ListOf(&r, v, "sizes", func(v Value) (int, bool) { return r.Int(v).V, true }) }},
			Field{Name: "parts", Read: func(v Value) {
				r.List(v, "parts", func(v Value) {
					r.Mapping(v, "a part", Field{Name: "is", Read: func(v Value) { r.Bool(v) }}, Field{Name: "to", Read: func(v Value) { r.IntIn(v, 1, 2) }})
				})
			}},
			Field{Name: "old", Hidden: true, Read: func(Value) { t.Error("a hidden field is read") }},
			Field{Name: "inner", Read: func(v Value) { r.Mapping(v, v.Key()) }},
			Field{Name: "names", Read: func(v Value) { r.Strings(v, "names") }},
		)
	})
	want := &Shape{Type: ShapeMapping, What: "a thing", Fields: []ShapeField{
		{"name", &Shape{Type: ShapeString}},
		{"mode", &Shape{Type: ShapeString, Words: []string{"on", "off"}}},
		{"age", &Shape{Type: ShapeString}},
		{"sizes", &Shape{Type: ShapeList, Elements: &Shape{Type: ShapeInt}}},
		{"parts", &Shape{Type: ShapeList, Elements: &Shape{Type: ShapeMapping, What: "a part", Fields: []ShapeField{{"is", &Shape{Type: ShapeBool}}, {"to", &Shape{Type: ShapeInt}}}}}},
		{"inner", &Shape{Type: ShapeMapping, What: "inner"}},
		{"names", &Shape{Type: ShapeList, Elements: &Shape{Type: ShapeString}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if problems := r.Problems(); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}
