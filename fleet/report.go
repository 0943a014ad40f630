package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/state"
)

// A Report says whether replicas agree. Its JSON is that of tagproc status -o json.
type Report struct {
	Agree  bool   `json:"agree"`
	Digest string `json:"digest,omitempty"` // that of the file, or else of most replicas
	// Step is the instant of the step of ramps that is, or should be, in force; absent
	// before the first step and without ramps.
	Step     time.Time `json:"step,omitzero"`
	File     string    `json:"file,omitempty"` // the rules file that replicas were compared with
	Replicas []Replica `json:"replicas"`
}

// An Expectation is the rules that replicas should have.
type Expectation struct {
	File  string
	Table *rules.Table
}

// Judge says which replicas agree: with the expectation, or without one, nil, with most of
// each other. Replicas agree that have the same digest and the same step of ramps in force,
// and whose rules file, as it is now, is live.
func Judge(replicas []Replica, want *Expectation, now time.Time) *Report {
	r := &Report{Agree: len(replicas) > 0, Replicas: replicas}
	if want != nil {
		at, _ := want.Table.At(now)
		r.File, r.Digest, r.Step = want.File, at.Digest(), at.Since().UTC()
	} else {
		r.Digest = most(replicas, func(s *state.State) string { return s.Digest })
		if step := most(replicas, func(s *state.State) string {
			if s.Digest != r.Digest {
				return ""
			}
			return stepText(s)
		}); step != "" && step != noStep {
			r.Step, _ = time.Parse(time.RFC3339Nano, step)
		}
	}
	for i := range replicas {
		replica := &r.Replicas[i]
		replica.Differs = r.differs(replica)
		r.Agree = r.Agree && len(replica.Differs) == 0
	}
	r.compare()
	return r
}

// Agreeing returns how many replicas agree.
func (r *Report) Agreeing() (n int) {
	for i := range r.Replicas {
		if len(r.Replicas[i].Differs) == 0 {
			n++
		}
	}
	return n
}

// noStep is the text of a state that is before every step, or has no ramps.
const noStep = "none"

func stepText(s *state.State) string {
	if s.Step == nil || s.Step.Since.IsZero() {
		return noStep
	}
	return s.Step.Since.UTC().Format(time.RFC3339Nano)
}

// most returns the text that most states have, or of texts that equally many have the one
// that is live for the shortest time: it is what the others are going to have.
func most(replicas []Replica, of func(*state.State) string) (text string) {
	type votes struct {
		text  string
		count int
		since time.Time
	}
	var all []votes
	for i := range replicas {
		s := replicas[i].State
		if s == nil || of(s) == "" {
			continue
		}
		j := slices.IndexFunc(all, func(v votes) bool { return v.text == of(s) })
		if j < 0 {
			all, j = append(all, votes{text: of(s)}), len(all)
		}
		all[j].count++
		if s.LiveSince.After(all[j].since) {
			all[j].since = s.LiveSince
		}
	}
	if len(all) == 0 {
		return ""
	}
	return slices.MaxFunc(all, func(a, b votes) int {
		return cmp.Or(cmp.Compare(a.count, b.count), a.since.Compare(b.since))
	}).text
}

// differs says what keeps a replica from agreeing.
func (r *Report) differs(replica *Replica) []string {
	why := []string{}
	s := replica.State
	switch {
	case s == nil:
		return append(why, "unreachable: "+replica.Unreachable)
	case s.Digest == "":
		why = append(why, "has no good rules yet")
	case s.Digest != r.Digest:
		why = append(why, fmt.Sprintf("has the rules %s, live since %s", s.Digest, instant(s.LiveSince)))
	default:
		if step := stepText(s); step != stepText(&state.State{Step: &state.Step{Since: r.Step}}) {
			why = append(why, fmt.Sprintf("is at another step of the ramps: since %s, expected %s; its clock is %s", step, instant(r.Step), replica.clock()))
		}
	}
	if f := s.Refusal; f != nil && f.Present {
		text := "refuses its rules file"
		if len(f.Problems) > 0 {
			text += ": " + f.Problems[0].String()
		}
		why = append(why, text)
	}
	return why
}

// clock returns in words how the clock of a replica differs.
func (r *Replica) clock() string {
	switch {
	case r.Offset.Abs() <= r.OffsetError:
		return "right"
	case r.Offset > 0:
		return duration(r.Offset) + " ahead"
	default:
		return duration(-r.Offset) + " behind"
	}
}

// duration returns a time to three digits or so.
func duration(d time.Duration) string {
	for _, unit := range []time.Duration{time.Hour, time.Minute, time.Second, time.Millisecond} {
		if d >= 10*unit {
			return d.Round(unit / 10).String()
		}
	}
	return d.Round(100 * time.Microsecond).String()
}

// instant returns t for people.
func instant(t time.Time) string {
	if t.IsZero() {
		return noStep
	}
	return t.UTC().Format(time.RFC3339)
}
