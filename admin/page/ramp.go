package page

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tagproc/tagproc/state"
)

// rampHeight is that of a time line, in pixels. Steps stay off its edge.
const rampHeight, rampEdge = 44, 6

// A timeLine is the schedule of a ramp: across in percent of the width, down in pixels.
type timeLine struct {
	Tag, Text, Aria string
	Now             float64
	Lines           []line
	Steps           []step
}

type line struct{ X1, Y1, X2, Y2 float64 }

type step struct {
	X, Y    float64
	InForce bool
	Text    string
}

// TimeLine returns the time line of a ramp of a rule.
func (d *drawing) TimeLine(of state.Rule, r state.Ramp) *timeLine {
	now := d.State.Now
	made := &timeLine{Tag: r.Tag, Text: percent(r.Percent) + " now, "}
	switch {
	case r.Next.IsZero():
		made.Text += "its last step"
	default:
		made.Text += fmt.Sprintf("%s from %s, in %s", percent(r.NextPercent), instant(r.Next), until(now, r.Next))
	}
	if i := slices.IndexFunc(of.Tags, func(t state.Tag) bool { return t.Tag == r.Tag }); i >= 0 && of.Tags[i].Percent < r.Percent {
		made.Text += fmt.Sprintf(". A range counts from bucket 0; %s itself has %s", r.Tag, percent(of.Tags[i].Percent))
	}
	made.Aria = "The time line of " + r.Tag + ": " + made.Text
	if len(r.Steps) == 0 {
		return made
	}
	first, last := r.Steps[0].At, r.Steps[len(r.Steps)-1].At
	begin, end := earlier(first, now), later(last, now)
	margin := max(end.Sub(begin)/20, time.Minute)
	begin, end = begin.Add(-margin), end.Add(margin)
	x := func(t time.Time) float64 { return round(100 * float64(t.Sub(begin)) / float64(end.Sub(begin))) }
	y := func(percent float64) float64 {
		return round(rampHeight - rampEdge - percent*(rampHeight-2*rampEdge)/100)
	}
	made.Now = x(now)
	at, height := 0.0, y(0)
	if r.StepsBefore > 0 { // what was before is not known
		at, height = x(first), y(r.Steps[0].Percent)
		made.Steps = append(made.Steps, step{X: -10, Text: fmt.Sprintf("… %d before", r.StepsBefore)})
	}
	for _, s := range r.Steps {
		to := y(s.Percent)
		made.Lines = append(made.Lines, line{at, height, x(s.At), height}, line{x(s.At), height, x(s.At), to})
		at, height = x(s.At), to
		text := fmt.Sprintf("%s from %s", percent(s.Percent), instant(s.At))
		if s.At.After(now) {
			text += ", in " + until(now, s.At)
		} else {
			text += ", " + ago(now, s.At)
		}
		made.Steps = append(made.Steps, step{X: x(s.At), Y: to, InForce: s.At.Equal(r.Since), Text: text})
	}
	made.Lines = append(made.Lines, line{at, height, 100, height})
	if r.StepsAfter > 0 {
		made.Steps = append(made.Steps, step{X: -10, Text: fmt.Sprintf("… %d more", r.StepsAfter)})
	}
	return made
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func round(v float64) float64 { return math.Round(100*v) / 100 }
