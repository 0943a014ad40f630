package observed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/rules"
)

// A Mapping says which tag an observed value stands for, if the file has versions instead
// of tags.
type Mapping struct {
	Header string // the tag header whose column it is about, in lower case; "" for all
	Value  string // as observed
	Tag    string // "" for no tag
}

// ParseMapping reads "VALUE=TAG", or "HEADER:VALUE=TAG" with a tag header of t.
func ParseMapping(s string, t *rules.Table) (Mapping, error) {
	value, tag, ok := strings.Cut(s, "=")
	if !ok {
		return Mapping{}, fmt.Errorf("%q: expected VALUE=TAG, or HEADER:VALUE=TAG for the column of one tag header", s)
	}
	m := Mapping{Value: value, Tag: tag}
	if header, rest, found := strings.Cut(value, ":"); found {
		if h := strings.ToLower(header); slices.Contains(t.TagHeaders(), h) {
			m.Header, m.Value = h, rest
		}
	}
	return m, nil
}

// String returns the mapping as ParseMapping reads it.
func (m Mapping) String() string {
	prefix := ""
	if m.Header != "" {
		prefix = m.Header + ":"
	}
	return prefix + m.Value + "=" + m.Tag
}
