package page

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"math"
	"path"
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
	mostDrawn  = 30 // rules that have a ruler; the page of 200 rules has to stay small
	mostPieces = 40 // of one ruler
	mostDoubts = 5
)

// functions are what the template says.
var functions = template.FuncMap{
	"ago": ago, "base": path.Base, "brief": brief, "changes": changes, "count": count, "dotted": dotted, "few": few, "for": requestsOf, "hatch": hatch, "instant": instant, "latency": latency, "length": length,
	"moving": moving, "mostDrawn": func() int { return mostDrawn }, "observed": observed, "outcomes": outcomes, "percent": percent, "problem": problem,
	"rate": rate, "replaced": replaced, "rest": rest, "plural": words.Counted, "sentence": sentence, "shown": shown, "spans": spans, "tag": words.Tag, "until": until, "verdict": verdict,
	"windows": windows,
}

// Alarms says what is wrong with the replica, and between it and others.
func (d *drawing) Alarms() (wrong []string) {
	s := d.State
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
	switch {
	case d.apart():
		wrong = append(wrong, "This replica has other rules than those that --peers leads to, and is not among them: "+d.Replicas.Summary+".")
	case d.Disagree():
		wrong = append(wrong, "Not all replicas agree: "+d.Replicas.Summary+".")
	}
	return wrong
}

// Disagree reports whether another replica may decide otherwise.
func (d *drawing) Disagree() bool { return d.Replicas != nil && !d.Replicas.Agree || d.apart() }

// apart reports whether the known replicas agree, and this one, which --peers does not lead to,
// has other rules.
func (d *drawing) apart() bool {
	return d.Replicas != nil && d.Replicas.Agree && d.Replicas.Digest != "" && d.Replicas.Digest != d.State.Digest && !slices.ContainsFunc(d.Replicas.Replicas, d.This)
}

// A peer is a replica in the table of all.
type peer struct {
	state.Peer

	As string // the address of one above that has the same rules, which differ; "": there is none
}

// Peers returns the replicas, first this one, then those that differ; at most mostDrawn.
func (d *drawing) Peers() (all []peer) {
	rank := func(p state.Peer) int {
		switch {
		case d.This(p):
			return 0
		case len(p.Differs) > 0:
			return 1
		}
		return 2
	}
	above := map[string]string{} // addresses by digest
	for _, p := range slices.SortedStableFunc(slices.Values(d.Replicas.Replicas), func(a, b state.Peer) int { return cmp.Compare(rank(a), rank(b)) }) {
		made := peer{Peer: p}
		if len(p.Rules) > 0 {
			if made.As = above[p.Digest]; made.As == "" {
				above[p.Digest] = p.Address
			}
		}
		if all = append(all, made); len(all) == mostDrawn {
			break
		}
	}
	return all
}

// This reports whether a replica is the one whose page it is.
func (d *drawing) This(p state.Peer) bool { return p.Instance != "" && p.Instance == d.State.Instance }

// PeersLeftOut returns how many replicas are not shown.
func (d *drawing) PeersLeftOut() int { return max(0, len(d.Replicas.Replicas)-mostDrawn) }

// problem returns where a problem is, with the line of the file and a caret.
func problem(p state.Problem) string {
	at := source.Problem{File: p.File, Line: p.Line, Col: p.Col, Source: p.Source}
	if p.Source == "" {
		return at.Place()
	}
	return at.Place() + "\n" + p.Source + "\n" + at.Caret()
}

// dotted reports whether dots stand for parts of the lines that problems show.
func dotted(all []state.Problem) bool {
	return slices.ContainsFunc(all, func(p state.Problem) bool { return strings.Contains(p.Source, "·") })
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// ago returns the time since an instant, in its greatest unit.
func ago(now, t time.Time) string {
	text, _ := span(now.Sub(t))
	return text + " ago"
}

// until returns the time that is left until an instant, in its two greatest units.
func until(now, t time.Time) string {
	text, rest := span(t.Sub(now))
	if rest >= time.Second {
		more, _ := span(rest)
		text += " " + more
	}
	return text
}

// span returns a time in its greatest unit, and what is left of it.
func span(d time.Duration) (text string, rest time.Duration) {
	d = max(0, d)
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if d >= unit.of {
			return words.Counted(int(d/unit.of), unit.name), d % unit.of
		}
	}
	return words.Counted(int(d/time.Second), "second"), 0
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

// rate returns how many a second, with decimals where there are few.
func rate(perSecond float64) string {
	if perSecond >= 100 {
		return count(int(math.Round(perSecond)))
	}
	return strconv.FormatFloat(math.Round(100*perSecond)/100, 'f', -1, 64)
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

func moving(m *state.Moving) string {
	if m == nil {
		return ""
	}
	return shares.Figure{Percent: m.Percent, AtMost: m.AtMost, Named: m.Named}.String()
}

// mostChanges is the most changes of a reload that are shown at once.
const mostChanges = 3

func few(r state.Reload) bool { return len(r.Changes) <= mostChanges && r.ChangesLeftOut == 0 }

// changes says how many changes a reload made.
func changes(r state.Reload) string { return words.Counted(len(r.Changes)+r.ChangesLeftOut, "change") }

// requestsOf says for which requests a rule decides: those that have a key, and match.
func requestsOf(r state.Rule) string {
	text := "requests with " + strings.Join(r.Keys, ", else ")
	if r.Match != "" {
		text += ", and " + r.Match
	}
	return text
}

// windows returns the windows of a list, []state.Observed or []state.Requests, whose lengths
// read differently: those of a young replica are all as long as it runs.
func windows(of any) any {
	switch of := of.(type) {
	case []state.Observed:
		return slices.CompactFunc(slices.Clone(of), func(a, b state.Observed) bool { return length(a.Seconds) == length(b.Seconds) })
	case []state.Requests:
		return slices.CompactFunc(slices.Clone(of), func(a, b state.Requests) bool { return length(a.Seconds) == length(b.Seconds) })
	}
	return nil
}

// spans says how long the windows of a rule are.
func spans(of []state.Observed) string {
	var texts []string
	for _, o := range of {
		texts = append(texts, length(o.Seconds))
	}
	texts = slices.Compact(texts)
	last := len(texts) - 1
	if last == 0 {
		return texts[0]
	}
	return strings.Join(texts[:last], ", ") + " and " + texts[last]
}

// latency says how long replies took.
func latency(l *state.Latency) string {
	if l == nil {
		return ""
	}
	within := func(seconds float64) string {
		if seconds == 0 {
			return "above the last bucket"
		}
		return "within " + time.Duration(math.Round(seconds*1e9)).String()
	}
	return "half " + within(l.P50) + ", 99% " + within(l.P99)
}

// replaced says what became of users if a rule in shadow were enforced.
func replaced(r state.Rule) string {
	if r.Moving == nil {
		return ""
	}
	place := "Enforced"
	if r.Replaces != "" {
		place += " in the place of " + r.Replaces
	}
	return place + ", who would move: " + moving(r.Moving)
}

// Doubts says which shares are not as they should be. They are of requests, not of people,
// so that none of them is an alarm.
func (d *drawing) Doubts() (all []string) {
	if seconds := d.State.Idle(); seconds > 0 {
		all = append(all, fmt.Sprintf("No request in the last %s: does Envoy ask this replica?", length(seconds)))
	}
	right, tooFew := 0, 0
	for _, r := range d.State.Rules {
		if r.Mode != "enforce" || len(r.Observed) <= state.Window {
			continue
		}
		o, wrong := &r.Observed[state.Window], false
		for i, t := range r.Tags {
			switch said := o.Verdict(i, t.Percent); said {
			case state.More, state.Fewer:
				wrong = true
				if len(all) < mostDoubts {
					all = append(all, fmt.Sprintf("Rule %s: %s has %s, expected %s: %s.", r.Name, words.Tag(t.Tag), inRequests(o, i, t.Percent), percent(t.Percent), said))
				}
			}
		}
		switch {
		case wrong, o.Total() == 0:
		case o.Verdict(0, r.Tags[0].Percent) == state.AsExpected:
			right++
		default:
			tooFew++
		}
	}
	if right > 0 {
		all = append(all, fmt.Sprintf("Shares of the requests are as expected in %s.", words.Counted(right, "rule")))
	}
	if tooFew > 0 {
		all = append(all, fmt.Sprintf("%s too few requests to tell.", words.Count(tooFew, "rule has", "rules have")))
	}
	return all
}

// inRequests returns for example "24.6% of 48,112 requests in 5 minutes".
func inRequests(o *state.Observed, i int, expected float64) string {
	return fmt.Sprintf("%s of %s requests in %s", words.Percent(o.Percent(i), o.Decimals(i, expected)), count(o.Total()), length(o.Seconds))
}

// sentence says of a rule what the requests of the tag of index i tell; nil: they are not
// counted.
func sentence(r state.Rule, i int) *struct{ Text, Class, Verdict string } {
	if len(r.Observed) <= state.Window {
		return nil
	}
	o := &r.Observed[state.Window]
	v := verdict(*o, i, r.Tags[i])
	if o.Total() == 0 {
		return &struct{ Text, Class, Verdict string }{"in " + length(o.Seconds), v.Class, v.Text}
	}
	return &struct{ Text, Class, Verdict string }{inRequests(o, i, r.Tags[i].Percent), v.Class, v.Text}
}

// shown reports whether a tag has a row: what nobody takes only if there is some.
func shown(t state.Tag) bool { return t.Tag != "" || t.Percent > 0 }

// observed returns the share that a tag, that of index i, has of the requests.
func observed(o state.Observed, i int, t state.Tag) string {
	if o.Total() == 0 {
		return ""
	}
	decimals := o.Decimals(i, t.Percent)
	return fmt.Sprintf("%s of %s requests (%s to %s)", words.Percent(o.Percent(i), decimals), count(o.Total()), words.Percent(o.Low[i], decimals), words.Percent(o.High[i], decimals))
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
		if len(r.Observed) > state.Window {
			o := &r.Observed[state.Window]
			text += ", " + string(o.Verdict(i, t.Percent))
			if o.Total() > 0 {
				text += " (" + words.Percent(o.Percent(i), o.Decimals(i, t.Percent)) + ")"
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}
