package rules

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// Schema returns the JSON Schema (2020-12) of rules files that stand in no envelope. Keys
// and types are those of the code that reads rules; what they mean, and what they may be
// besides, is in clauses. A file that [Load] accepts validates. Load also refuses what no
// schema can say: a range above the modulo, a tag that exclusive does not find.
func Schema() []byte {
	s := schemaOf(shape())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Rules of tagproc"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic("rules: the schema is no JSON: " + err.Error()) // it is the same one every time, and a test makes it
	}
	return b.Bytes()
}

// shape returns what the code that reads rules expects of a file.
func shape() *source.Shape {
	d := decoder{file: &File{}}
	return source.ShapeOf(func(v source.Value) { d.config(v, rulesFile) })
}

// keywords are a JSON Schema.
type keywords = map[string]any

// schemaOf returns the schema of a shape.
func schemaOf(s *source.Shape) keywords {
	k := keywords{"type": s.Type}
	switch s.Type {
	case source.ShapeMapping:
		properties := keywords{}
		for _, f := range s.Fields {
			properties[f.Name] = schemaOf(f.Shape)
		}
		k["properties"], k["additionalProperties"] = properties, false
		for _, c := range clauses {
			switch of, known := properties[c.key].(keywords); {
			case c.of != s.What:
			case c.key == "":
				maps.Copy(k, c.more)
			case known:
				refine(of, keywords{"description": c.about})
				refine(of, c.more)
			default:
				properties[c.key] = keywords{"description": c.about, "deprecated": true}
			}
		}
	case source.ShapeList:
		k["items"] = schemaOf(s.Elements)
	case source.ShapeString:
		if s.Words != nil {
			k["enum"] = s.Words
		}
	}
	return k
}

// refine adds keywords to a schema. A nil one is removed.
func refine(k, more keywords) {
	for name, value := range more {
		inner, nested := value.(keywords)
		of, known := k[name].(keywords)
		switch {
		case nested && known:
			refine(of, inner)
		case value == nil:
			delete(k, name)
		default:
			k[name] = value
		}
	}
}

// What the values of a schema look like.
const (
	headerNamePattern  = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$"
	tagHeaderPattern   = "^[0-9A-Za-z][!#$%&'*+.^_`|~0-9A-Za-z-]{0,255}$"
	visiblePattern     = "^[!-~]{1,256}$"
	matchedPathPattern = `^/[!-"$->@-~]{0,255}$`
	hostNamePattern    = `^(\*\.)?[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*$|^\[[0-9A-Fa-f:.]*\]$`
	controlPattern     = `[\x00-\x08\x0a-\x1f\x7f]`
	instantPattern     = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$`
	durationPattern    = `^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$`
)

// one says that a mapping has exactly one of two keys.
func one(a, b string) keywords {
	return keywords{"oneOf": []keywords{{"required": []string{a}}, {"required": []string{b}}}}
}

// some says that at least one of some lists is there and not empty.
func some(lists ...string) keywords {
	var full []keywords
	for _, l := range lists {
		full = append(full, keywords{"required": []string{l}, "properties": keywords{l: keywords{"minItems": 1}}})
	}
	return keywords{"anyOf": full}
}

// buckets is a number of buckets.
func buckets() keywords { return keywords{"minimum": 0, "maximum": MaxModulo} }

// text is what a header may have as its value: not only blanks.
func text() keywords {
	return keywords{"pattern": `[^ \t]`, "not": keywords{"pattern": controlPattern}}
}

func items(of keywords) keywords { return keywords{"items": of} }

// notForbidden refuses tag headers that are forbidden, as they are usually written.
func notForbidden() keywords {
	var names []string
	for _, group := range forbiddenTags {
		for _, entry := range group {
			names = append(names, strings.ReplaceAll(entry, "*", ".*"))
		}
	}
	slices.Sort(names)
	return keywords{"pattern": tagHeaderPattern, "not": keywords{"pattern": "^(" + strings.Join(names, "|") + ")$"}}
}
