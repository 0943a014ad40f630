package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/state"
)

// colours is the number of colours of tags, each with a hatch of its own. That of no tag
// is 0.
const colours = 8

// coloursOf gives each tag of the rules a colour, in the order of the rules: the first
// ones have different colours, and a tag has the same one in each rule.
func coloursOf(s *state.State) map[string]int {
	all := map[string]int{}
	for i := range s.Rules {
		for _, t := range s.Rules[i].Tags {
			if _, known := all[t.Tag]; !known && t.Tag != "" {
				all[t.Tag] = 1 + len(all)%colours
			}
		}
	}
	return all
}

// Patterns returns the numbers of all colours.
func (d *drawing) Patterns() (all []int) {
	for i := range colours + 1 {
		all = append(all, i)
	}
	return all
}

// hatch returns the lines by which a colour is told apart from the others without colour.
func hatch(colour int) string {
	return [colours + 1]string{
		"", "M0 12L12 0", "M0 0L12 12", "M6 0V12", "M0 6H12", "M5 6H7", "M0 0L12 12M0 12L12 0", "M6 0V12M0 6H12", "M3 0V12M9 0V12",
	}[colour]
}

// A chip is a tag with its colour.
type chip struct {
	Colour int
	Text   string
}

// Chip returns a tag with its colour.
func (d *drawing) Chip(tag string) chip { return chip{d.colours[tag], words.Tag(tag)} }

// A ruler is the buckets of a rule.
type ruler struct {
	Name   string
	Aria   string // in words
	Pieces []piece
	Bucket uint32 // that is marked, with Mark
	Mark   float64
}

// A piece is one of a ruler, in percent of its width.
type piece struct {
	X, Width float64
	Colour   int
	Label    *label
}

type label struct {
	At   float64
	Text string
	Wide bool // it has no room on a narrow screen
}

// Drawn returns the ruler of a rule, whose last pieces are drawn as one where there are
// too many.
func (d *drawing) Drawn(of any) ruler {
	var r state.Rule
	switch of := of.(type) {
	case state.Rule:
		r = of
	case *state.Rule:
		r = *of
	}
	made := ruler{Name: r.Name}
	var texts []string
	for i, p := range r.Ruler {
		x := 100 * float64(p.From) / float64(r.Modulo)
		if i == mostPieces {
			made.Pieces = append(made.Pieces, piece{X: x, Width: 100 - x, Label: &label{At: x + 0.5, Text: "…"}})
			texts = append(texts, "…")
			break
		}
		of := piece{X: x, Width: 100 * float64(p.To-p.From) / float64(r.Modulo), Colour: d.colours[p.Tag]}
		for _, text := range []string{fmt.Sprintf("%s: %d to %d", words.Tag(p.Tag), p.From, p.To-1), words.Tag(p.Tag)} {
			if needs := 1 + 1.3*float64(len(text)); of.Label == nil && of.Width > needs {
				of.Label = &label{of.X + 0.5, text, of.Width < 2.5*needs}
			}
		}
		made.Pieces = append(made.Pieces, of)
		texts = append(texts, fmt.Sprintf("buckets %d to %d: %s", p.From, p.To-1, words.Tag(p.Tag)))
	}
	made.Aria = strings.Join(texts, "; ")
	return made
}

// Marks returns the rulers of the rules that the hash decided, with the bucket of the
// request.
func (d *drawing) Marks() (all []ruler) {
	if d.Decision == nil {
		return nil
	}
	for _, r := range d.Decision.Rules {
		i := slices.IndexFunc(d.Asked, func(asked state.Rule) bool { return asked.Name == r.Name })
		if r.Bucket == nil || i < 0 || len(all) == mostDrawn {
			continue
		}
		made := d.Drawn(d.Asked[i])
		made.Bucket, made.Mark = *r.Bucket, 100*(float64(*r.Bucket)+0.5)/float64(r.Modulo)
		made.Aria += fmt.Sprintf("; the request is in bucket %d", *r.Bucket)
		all = append(all, made)
	}
	return all
}
