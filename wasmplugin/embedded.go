package wasmplugin

import (
	"fmt"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// embedded returns the text of a ConfigMap that has the rules, and the ConfigMap, which
// may be the only item of a List. Of all else it returns nothing.
func embedded(d *source.Document) (text source.Value, in *source.Document) {
	if d.Kind == "List" {
		d = source.Items(d.Get("items"))[0]
	}
	if d.Kind != "ConfigMap" {
		return source.Value{}, nil
	}
	return rules.TextIn(d), d
}

// convertText converts the rules file that a ConfigMap has as text.
func convertText(name string, in *source.Document, text source.Value, o rules.Options, problems source.Problems) (*Conversion, source.Problems) {
	c, more := Convert(name, []byte(text.Text()), o)
	if c == nil {
		return nil, append(problems, more...)
	}
	c.Manifest, c.Changed = true, true
	for i := range c.Notes {
		c.Notes[i].Line, c.Notes[i].Col = text.Place().Line(), 1
	}
	c.Notes = append([]Note{{
		Line: in.Place().Line(), Col: 1, Fields: []string{"apiVersion", "kind", "metadata"},
		Message: fmt.Sprintf("what the ConfigMap is called; the rules are the text under %q", text.Key()),
	}}, c.Notes...)
	for _, other := range in.Get("data").Entries() {
		if other.Key() != text.Key() {
			c.Notes = append(c.Notes, Note{Line: other.KeyPlace().Line(), Col: 1, Fields: []string{"data." + oneLine(other.Key())}, Message: unknownMeaning})
		}
	}
	return c, problems
}
