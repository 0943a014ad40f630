package page

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/shares"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/state"
)

const (
	mostDrawn  = 40 // rules that have a ruler; the page of 200 rules has to stay small
	mostPieces = 40 // of one ruler
	window     = 1  // of state.Rule.Observed: 5 minutes
)

// functions are what the template says.
var functions = template.FuncMap{
	"alarms": alarms, "ago": ago, "brief": brief, "colour": colour, "count": count, "drawn": drawn, "instant": instant, "length": length,
	"moving": moving, "mostDrawn": func() int { return mostDrawn }, "observed": observed, "outcomes": outcomes, "percent": percent,
	"problem": problem, "rest": rest, "ruler": ruler, "plural": words.Counted, "shown": shown, "tag": words.Tag, "until": until, "verdict": verdict,
}

// alarms says what is wrong with a replica.
func alarms(s *state.State) (wrong []string) {
	if s.NotReady != "" {
		wrong = append(wrong, "Not ready: "+s.NotReady+".")
	}
	if s.Refusal != nil && s.Refusal.Present {
		live := "the rules before it stay live"
		if s.Digest == "" {
			live = "there are no good rules, and requests pass untagged"
		}
		wrong = append(wrong, fmt.Sprintf("The rules file is refused since %s; %s.", instant(s.Refusal.At), live))
	}
	return wrong
}

// problem returns where a problem is, with the line of the file and a caret.
func problem(p state.Problem) string {
	at := source.Problem{File: p.File, Line: p.Line, Col: p.Col, Source: p.Source}
	if p.Source == "" {
		return at.Place()
	}
	return at.Place() + "\n" + p.Source + "\n" + at.Caret()
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// ago and until return the time between two instants in words.
func ago(now, t time.Time) string { return span(now.Sub(t)) + " ago" }

func until(now, t time.Time) string { return span(t.Sub(now)) }

// span returns a time in its greatest unit.
func span(d time.Duration) string {
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := int(d / unit.of); n >= 2 || n == 1 && d < 2*unit.of {
			return words.Counted(n, unit.name)
		}
	}
	return words.Counted(max(0, int(d/time.Second)), "second")
}

// length returns a number of seconds as people say it.
func length(seconds int) string {
	if seconds < 100 {
		return words.Counted(seconds, "second")
	}
	return words.Counted((seconds+30)/60, "minute")
}

// count returns n with a comma between thousands.
func count(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// percent returns a share in percent; nil: none.
func percent(v any) string {
	switch p := v.(type) {
	case float64:
		return words.Percent(p, 4)
	case *float64:
		return percent(*p)
	}
	return ""
}

func outcomes(o map[string]uint32) string {
	var texts []string
	for _, name := range slices.SortedFunc(maps.Keys(o), func(a, b string) int { return cmp.Or(cmp.Compare(o[b], o[a]), strings.Compare(a, b)) }) {
		texts = append(texts, name+" "+count(int(o[name])))
	}
	return cmp.Or(strings.Join(texts, ", "), "none")
}

func moving(r state.Reload) string {
	if r.Moving == nil {
		return ""
	}
	return shares.Figure{Percent: r.Moving.Percent, AtMost: r.Moving.AtMost, Named: r.Moving.Named}.String()
}

// colours is the number of colours of tags. That of no tag is 0.
const colours = 8

// colour returns the colour of a tag, the same wherever it stands.
func colour(tag string) int {
	if tag == "" {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(tag)) // never fails
	return 1 + int(h.Sum32()%colours)
}

// shown reports whether a tag has a row: what nobody takes only if there is some.
func shown(t state.Tag) bool { return t.Tag != "" || t.Percent > 0 }

// A piece is one of a ruler, in percent of its width.
type piece struct {
	X, Width float64
	Colour   int
	Label    *label
}

type label struct {
	At   float64
	Text string
}

// drawn returns the pieces of a ruler, neighbours drawn as one where there are too many.
func drawn(r state.Rule) (pieces []piece) {
	for i, p := range r.Ruler {
		if i == mostPieces {
			x := 100 * float64(p.From) / float64(r.Modulo)
			return append(pieces, piece{X: x, Width: 100 - x, Label: &label{x + 0.5, "…"}})
		}
		made := piece{X: 100 * float64(p.From) / float64(r.Modulo), Width: 100 * float64(p.To-p.From) / float64(r.Modulo), Colour: colour(p.Tag)}
		for _, text := range []string{fmt.Sprintf("%s: %d to %d", words.Tag(p.Tag), p.From, p.To-1), words.Tag(p.Tag)} {
			if made.Label == nil && made.Width > 1+1.3*float64(len(text)) {
				made.Label = &label{made.X + 0.5, text}
			}
		}
		pieces = append(pieces, made)
	}
	return pieces
}

// ruler returns the buckets of tags in words.
func ruler(r state.Rule) string {
	var texts []string
	for _, p := range r.Ruler[:min(len(r.Ruler), mostPieces)] {
		texts = append(texts, fmt.Sprintf("buckets %d to %d: %s", p.From, p.To-1, words.Tag(p.Tag)))
	}
	return strings.Join(texts, "; ")
}

// observed returns the share that the tag of index i has of the requests.
func observed(o state.Observed, i int) string {
	if o.Total() == 0 {
		return ""
	}
	return fmt.Sprintf("%s of %s requests (%s to %s)", words.Percent(o.Percent(i), 2), count(o.Total()), percent(o.Low[i]), percent(o.High[i]))
}

// verdict returns what that says, and how it stands out.
func verdict(o state.Observed, i int, t state.Tag) (v struct{ Class, Text string }) {
	said := o.Verdict(i, t.Percent)
	switch v.Text = string(said); said {
	case state.AsExpected:
		v.Class = "good"
	case state.More, state.Fewer:
		v.Class = "alarm"
	default:
		v.Class = "quiet"
	}
	return v
}

// rest returns the rules without a ruler.
func rest(all []state.Rule) []state.Rule { return all[min(len(all), mostDrawn):] }

// brief returns the shares of a rule in one line.
func brief(r state.Rule) string {
	var texts []string
	for i, t := range r.Tags {
		if !shown(t) {
			continue
		}
		text := words.Tag(t.Tag) + " " + percent(t.Percent)
		if len(r.Observed) > window {
			o := &r.Observed[window]
			text += ", " + string(o.Verdict(i, t.Percent))
			if o.Total() > 0 {
				text += " (" + words.Percent(o.Percent(i), 2) + ")"
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}
