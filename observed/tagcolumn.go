package observed

import (
	"slices"
	"strings"

	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
)

// A reading is what an observed value means.
type reading struct {
	tag     string // "" for no tag
	mapping int    // index of its mapping, or -1
}

// maxValues is the most different values of a column of tags. A column with more is not
// one of tags, and its values would fill the memory.
const maxValues = 1000

// maxValue is the most bytes that are kept of a value. A tag has 256.
const maxValue = 300

// A tagColumn is the column of one tag header.
type tagColumn struct {
	header   string
	enforced []int // the rules that decide it, in their order
	mappings []Mapping
	known    []string           // the tags that rules have
	readings map[string]reading // what observed values mean
	unknown  map[string]int64   // users, by observed tags that no rule has
}

// read returns the tag that value stands for; ok is false if the column has too many
// values.
func (t *tagColumn) read(value string) (tag string, ok bool) {
	if len(value) > maxValue {
		value = value[:maxValue] + "…"
	}
	if r, known := t.readings[value]; known {
		return r.tag, true
	}
	if len(t.readings) >= maxValues {
		return "", false
	}
	value = strings.Clone(value) // a row's values share their memory
	r := reading{tag: value, mapping: t.mappingOf(value)}
	switch {
	case r.mapping >= 0:
		r.tag = t.mappings[r.mapping].Tag
	case value == people.None && !slices.Contains(t.known, people.None):
		r.tag = ""
	}
	t.readings[value] = r
	return r.tag, true
}

// mappingOf returns the index of the mapping for value, or -1. A mapping for this header
// wins over one for all.
func (t *tagColumn) mappingOf(value string) int {
	for _, header := range []string{t.header, ""} {
		i := slices.IndexFunc(t.mappings, func(m Mapping) bool { return m.Header == header && m.Value == value })
		if i >= 0 {
			return i
		}
	}
	return -1
}

func (c *comparer) newTagColumn(header string) tagColumn {
	t := tagColumn{header: header, mappings: c.options.Mappings, readings: map[string]reading{}, unknown: map[string]int64{}}
	for i, r := range c.rules {
		if r.TagHeader == header && r.Mode == rules.ModeEnforce {
			t.enforced = append(t.enforced, i)
		}
	}
	for _, tag := range c.tags {
		if tag.Header == header {
			t.known = append(t.known, tag.Value)
		}
	}
	return t
}

// decider returns the rule that decides the header, or -1, and its decision. At most one
// enforced rule applies: it supersedes those after it.
func (t *tagColumn) decider(decisions []rules.Decision) (rule int, d rules.Decision) {
	for _, i := range t.enforced {
		if decisions[i].Applies() {
			return i, decisions[i]
		}
	}
	return -1, rules.Decision{Tag: rules.NoTag}
}
