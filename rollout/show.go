package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/shares"
)

// A View is what a rules file does at an instant.
type View struct {
	File   string     `json:"file"`
	Digest string     `json:"digest"`
	At     time.Time  `json:"at"`
	Next   *time.Time `json:"next"` // when the next step of a ramp comes; null: none will
	Rules  []RuleView `json:"rules"`
}

// A RuleView is one rule of a View.
type RuleView struct {
	shares.Rule

	Keys  []string   `json:"keys"`            // "header x-user-id"
	Match string     `json:"match,omitempty"` // "host shop.example.com"
	Ramps []RampView `json:"ramps"`
}

// A RampView is the schedule of one tag.
type RampView struct {
	Tag   string     `json:"tag"`
	Step  int        `json:"step"` // which one is in force, from 1; 0: before the first
	Steps []StepView `json:"steps"`
}

// A StepView is one step of a ramp.
type StepView struct {
	At    time.Time    `json:"at"`
	Share shares.Share `json:"share"` // of the tag from then on
}

// View returns what the file does at an instant.
func (f *File) View(now time.Time) *View {
	t, next := f.table.At(now)
	v := &View{File: f.Name, Digest: t.Digest(), At: now, Rules: []RuleView{}}
	if !next.IsZero() {
		v.Next = &next
	}
	all := t.Rules()
	for i, s := range shares.Of(t) {
		r := RuleView{Rule: s, Keys: []string{}, Match: all[i].Match.String(), Ramps: []RampView{}}
		for _, k := range all[i].Keys {
			r.Keys = append(r.Keys, k.String())
		}
		for k := range all[i].Policies {
			if p := &all[i].Policies[k]; p.Ramp != nil {
				r.Ramps = append(r.Ramps, f.rampView(i, p, now))
			}
		}
		v.Rules = append(v.Rules, r)
	}
	return v
}

func (f *File) rampView(rule int, p *rules.Policy, now time.Time) RampView {
	r := RampView{Tag: p.TagValue, Step: p.StepAt(now) + 1}
	for _, s := range p.Ramp {
		then, _ := f.table.At(s.At)
		step := StepView{At: s.At}
		for _, piece := range shares.Ruler(then, rule) {
			if step.Share.Of = uint64(piece.To); piece.Tag == p.TagValue {
				step.Share.Count += uint64(piece.To - piece.From)
			}
		}
		r.Steps = append(r.Steps, step)
	}
	return r
}

// marks fill the parts of a ruler: they differ without colours too.
const marks = "█░▒▓ABCDEFGHIJKLMNOPQRSTUVWXYZ"

const (
	noTag  = '·' // fills buckets without a tag
	others = '?' // fills those of tags for which no mark is left
)

// WriteText writes v for people. The ruler of a rule has width columns.
func (v *View) WriteText(t *terminal.Writer, width int) error {
	for i := range v.Rules {
		v.Rules[i].write(t, width)
	}
	t.Printf("%s: digest %s", v.File, v.Digest)
	if v.Next != nil {
		t.Printf(", next step %s", v.Next.Format(time.RFC3339))
	}
	t.Printf("\n")
	return t.Err()
}

func (r *RuleView) write(t *terminal.Writer, width int) {
	t.Printf("%s", terminal.Bold.Textf("rule %s", r.Name))
	t.Printf(" (%s by %s", r.TagHeader, strings.Join(r.Keys, ", "))
	if r.Match != "" {
		t.Printf(", for %s", r.Match)
	}
	t.Printf(")")
	if r.Mode != rules.ModeEnforce.String() {
		t.Printf("  %s", terminal.Warning.Textf("%s: gives no tag", r.Mode))
	}
	t.Printf("\n  %s\n", r.line(width-2))
	mark := r.marks()
	t.Table(func(t *terminal.Writer) {
		for _, s := range r.Tags {
			if s.Tag == "" && s.Share.Count == 0 {
				continue
			}
			t.Printf("  %c %s\t%s\t%s\n", mark[s.Tag], words.Tag(s.Tag), s.Share, r.bucketsOf(s.Tag))
		}
	})
	if r.Named > 0 {
		t.Printf("  %d named by overrides\n", r.Named)
	}
	for _, ramp := range r.Ramps {
		ramp.write(t)
	}
	t.Printf("\n")
}

// marks returns what fills the part of each tag.
func (r *RuleView) marks() map[string]rune {
	mark, free := map[string]rune{"": noTag}, []rune(marks)
	for _, s := range r.Tags {
		if _, known := mark[s.Tag]; known {
			continue
		}
		mark[s.Tag] = others
		if len(free) > 0 {
			mark[s.Tag], free = free[0], free[1:]
		}
	}
	return mark
}

// line returns all buckets in width columns. A column shows the tag of the bucket in its
// middle.
func (r *RuleView) line(width int) string {
	width = max(10, min(width, int(r.Modulo)))
	mark := r.marks()
	line := make([]rune, width)
	piece := 0
	for i := range line {
		bucket := uint32((2*uint64(i) + 1) * uint64(r.Modulo) / (2 * uint64(width)))
		for bucket >= r.Ruler[piece].To {
			piece++
		}
		line[i] = mark[r.Ruler[piece].Tag]
	}
	return string(line)
}

// bucketsOf returns which buckets have a tag, such as "buckets 0 to 19, 40 to 49".
func (r *RuleView) bucketsOf(tag string) string {
	var parts []string
	for _, p := range r.Ruler {
		switch {
		case p.Tag != tag:
		case len(parts) == 5:
			return "buckets " + strings.Join(parts, ", ") + ", …"
		case p.To == p.From+1:
			parts = append(parts, fmt.Sprint(p.From))
		default:
			parts = append(parts, fmt.Sprintf("%d to %d", p.From, p.To-1))
		}
	}
	if parts == nil {
		return ""
	}
	return "buckets " + strings.Join(parts, ", ")
}

func (r *RampView) write(t *terminal.Writer) {
	t.Printf("  ramp of %s: step %d of %d\n", r.Tag, r.Step, len(r.Steps))
	for i, s := range r.Steps {
		when := ""
		switch i + 1 {
		case r.Step:
			when = "  ← now"
		case r.Step + 1:
			when = "  ← next"
		}
		t.Printf("    %s  %s%s\n", s.At.Format(time.RFC3339), s.Share, when)
	}
}
