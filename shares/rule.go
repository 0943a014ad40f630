package shares

import (
	"github.com/tagproc/tagproc/rules"
)

// A Rule is how the users of one rule are shared out among its tags, at the instant of
// its table. Of a rule in shadow or off it is what its users would get.
type Rule struct {
	Name      string     `json:"name"`
	TagHeader string     `json:"tagHeader"`
	Mode      string     `json:"mode"` // enforce, shadow or off
	Modulo    uint32     `json:"modulo"`
	Tags      []TagShare `json:"tags"`  // in the order of the buckets, then tags without buckets, then no tag
	Ruler     []Piece    `json:"ruler"` // all buckets, in their order
	Named     int        `json:"named"` // users named by overrides, who are in no share
}

// A TagShare is the share of one tag.
type TagShare struct {
	Tag   string `json:"tag"` // its value; "": no tag
	Share Share  `json:"share"`
}

// A Piece is neighbouring buckets with one tag.
type Piece struct {
	From uint32 `json:"from"` // the first bucket
	To   uint32 `json:"to"`   // the bucket behind the last one
	Tag  string `json:"tag"`  // "": no tag
}

// Of returns the shares of the rules of t, in the order of the file. They add up to one
// in each rule; a tag that no bucket has, and no tag, are in it with the share 0.
func Of(t *rules.Table) []Rule {
	out := []Rule{}
	for i, r := range t.Rules() {
		one := Rule{Name: r.Name, TagHeader: r.TagHeader, Mode: r.Mode.String(), Modulo: r.Modulo, Ruler: Ruler(t, i), Tags: []TagShare{}}
		places := map[string]int{} // in one.Tags
		count := func(tag string, n uint32) {
			at, known := places[tag]
			if !known {
				at = len(one.Tags)
				places[tag], one.Tags = at, append(one.Tags, TagShare{tag, Share{Of: uint64(r.Modulo)}})
			}
			one.Tags[at].Share.Count += uint64(n)
		}
		for _, p := range one.Ruler {
			if p.Tag != "" {
				count(p.Tag, p.To-p.From)
			}
		}
		for _, p := range r.Policies {
			count(p.TagValue, 0)
		}
		for _, o := range r.Overrides {
			if one.Named += len(o.Values); o.TagValue != "" {
				count(o.TagValue, 0)
			}
		}
		count("", 0)
		for _, p := range one.Ruler {
			if p.Tag == "" {
				count("", p.To-p.From)
			}
		}
		out = append(out, one)
	}
	return out
}

// Ruler returns the buckets of the rule of index rule, whatever its mode. Neighbouring policies
// with one tag make one piece.
func Ruler(t *rules.Table, rule int) (ruler []Piece) {
	tags := t.Tags()
	for _, p := range t.Pieces(rule) {
		tag := ""
		if p.Tag != rules.NoTag {
			tag = tags[p.Tag].Value
		}
		if last := len(ruler) - 1; last >= 0 && ruler[last].Tag == tag {
			ruler[last].To = p.To
			continue
		}
		ruler = append(ruler, Piece{p.From, p.To, tag})
	}
	return ruler
}

// distribution is how many buckets each tag has.
func distribution(ruler []Piece) map[string]uint64 {
	d := map[string]uint64{}
	for _, p := range ruler {
		d[p.Tag] += uint64(p.To - p.From)
	}
	return d
}

// total is the number of buckets of a ruler.
func total(ruler []Piece) uint64 { return uint64(ruler[len(ruler)-1].To) }
