package source

import "go.yaml.in/yaml/v4"

// A Shape is what a Reader expects at one place of a document.
type Shape struct {
	Type     ShapeType
	What     string       // of a mapping: what messages call it
	Fields   []ShapeField // of a mapping: those that messages offer
	Elements *Shape       // of a list
	Words    []string     // of a text: those that it should be; nil: any
}

// A ShapeField is one key of a mapping.
type ShapeField struct {
	Name  string
	Shape *Shape
}

// A ShapeType is the type of a value, as JSON Schema calls it.
type ShapeType string

// The types.
const (
	ShapeMapping ShapeType = "object"
	ShapeList    ShapeType = "array"
	ShapeString  ShapeType = "string"
	ShapeInt     ShapeType = "integer"
	ShapeBool    ShapeType = "boolean"
)

// ShapeOf returns what read expects of the value that it is given, which stands for any
// one. Mappings, lists and scalars that it reads with a [Reader] tell their shape; what
// a mapping has as hidden fields is not read.
func ShapeOf(read func(v Value)) *Shape {
	s := &Shape{}
	read(probe(s, ""))
	return s
}

// probe returns a Value that stands for any one, and has its shape noted in s.
func probe(s *Shape, key string) Value {
	v := Value{text: &Text{}, node: &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}, shape: s}
	if key != "" {
		v.key = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
	}
	return v
}

func (s *Shape) mapping(what string, fields []Field) {
	s.Type, s.What = ShapeMapping, what
	for _, f := range fields {
		if f.Hidden {
			continue
		}
		of := &Shape{}
		f.Read(probe(of, f.Name))
		s.Fields = append(s.Fields, ShapeField{f.Name, of})
	}
}

func (s *Shape) list(read func(v Value)) {
	s.Type, s.Elements = ShapeList, &Shape{}
	read(probe(s.Elements, ""))
}

// scalar notes the type of a scalar by the zero one.
func (s *Shape) scalar(zero any) {
	switch zero.(type) {
	case int:
		s.Type = ShapeInt
	case bool:
		s.Type = ShapeBool
	default:
		s.Type = ShapeString
	}
}
