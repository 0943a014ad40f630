package admin

import (
	"math"
	"time"

	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/shares"
	"github.com/tagproc/tagproc/state"
	"github.com/tagproc/tagproc/traffic"
)

// A Replica is a running tagproc as /state and /explain show it.
type Replica struct {
	Version string // of tagproc
	File    string // the rules file
	Started time.Time
	// Instance is a name that no other run of tagproc has: some see a replica at several
	// addresses.
	Instance string
	Ready    func() error
	Now      func() time.Time // the clock of ramps; nil: time.Now
	Reloads  *Reloads
	Traffic  *traffic.Recorder
	Peers    func() *state.Replicas // of all replicas, this one too; nil: they are not known

	shadows   shadows
	drawn     drawn
	supposing turn
}

func (r *Replica) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// State returns what the replica says of itself.
func (r *Replica) State() *state.State {
	requests, table, observed := r.Traffic.Read()
	s := r.brief(table)
	s.Requests = requests
	if table != nil {
		r.addRules(s, table, observed)
	}
	return s
}

// brief returns a state without rules and requests, where a table decides; nil: there is none
// yet.
func (r *Replica) brief(table *rules.Table) *state.State {
	s := &state.State{
		StateVersion: state.Version, Version: r.Version, Now: r.now().UTC(), Started: r.Started.UTC(), Instance: r.Instance, File: r.File, Rules: []state.Rule{},
	}
	if err := r.Ready(); err != nil {
		s.NotReady = err.Error()
	}
	r.Reloads.fill(s)
	if table != nil && s.Digest == table.Digest() { // else another table is becoming live just now
		s.Step = stepOf(table)
	}
	return s
}

// addRules adds to s the rules of a table with what was observed of them.
func (r *Replica) addRules(s *state.State, table *rules.Table, observed [][]state.Observed) {
	all, inShadow := shares.Of(table), r.shadows.read(table, r.Reloads, s.Now)
	tags, pieces := 0, 0
	for i, rule := range table.Rules() {
		made := ruleOf(table, &rule, &all[i])
		tags, pieces = tags+max(len(made.Tags), len(made.Ramps)), pieces+len(made.Ruler)
		if i == state.MaxRules || tags > state.MaxTags || pieces > state.MaxPieces {
			s.RulesLeftOut = len(observed) - i
			break
		}
		if rule.Mode != rules.ModeOff {
			made.Observed = observed[i]
		}
		if rule.Mode == rules.ModeShadow {
			made.Replaces, made.Moving = inShadow[rule.Name].replaces, inShadow[rule.Name].moving
		}
		s.Rules = append(s.Rules, made)
	}
}

// Explain returns what the live rules decide for a request; nil: there are no rules yet.
func (r *Replica) Explain(q explain.Question) *explain.Decision {
	t := r.tableAt(q.At)
	if t == nil {
		return nil
	}
	return explain.Request(t, q.Headers)
}

// tableAt returns the live rules as they decide at an instant, zero: now; nil: there are
// none yet.
func (r *Replica) tableAt(at time.Time) *rules.Table {
	t := r.Reloads.Live()
	if t == nil {
		return nil
	}
	if at.IsZero() {
		at = r.now()
	}
	t, _ = t.At(at)
	return t
}

// rulesAt returns the live rules with their shares at an instant.
func (r *Replica) rulesAt(at time.Time) (made []state.Rule) {
	if t := r.tableAt(at); t != nil {
		all, of := t.Rules(), shares.Of(t)
		for i := range all {
			made = append(made, ruleOf(t, &all[i], &of[i]))
		}
	}
	return made
}

// stepOf returns where the ramps of a table are, nil without ramps.
func stepOf(t *rules.Table) *state.Step {
	if !t.HasRamps() {
		return nil
	}
	instants := t.Instants()
	_, next := t.At(t.Since())
	return &state.Step{Since: t.Since().UTC(), Next: next.UTC(), Last: instants[len(instants)-1].UTC()}
}

// ruleOf returns a rule of t with its shares.
func ruleOf(t *rules.Table, r *rules.Rule, of *shares.Rule) state.Rule {
	made := state.Rule{
		Name: r.Name, Mode: r.Mode.String(), TagHeader: r.TagHeader, Match: words.Cut(t.MatchText(r.Match), state.MaxText),
		Hash: r.Hash.String(), Salt: words.Cut(r.Salt, state.MaxText), Modulo: int(r.Modulo), Named: of.Named,
	}
	for _, k := range r.Keys {
		made.Keys = append(made.Keys, k.String())
	}
	percents := map[string]float64{}
	for _, share := range of.Tags {
		percents[share.Tag] = share.Share.Percent()
	}
	for _, tag := range processor.TagsOf(r) {
		made.Tags = append(made.Tags, state.Tag{Tag: tag, Percent: percents[tag]})
	}
	for _, p := range of.Ruler {
		made.Ruler = append(made.Ruler, state.Piece{From: int(p.From), To: int(p.To), Tag: p.Tag})
	}
	for i := range r.Policies {
		if p := &r.Policies[i]; p.Ramp != nil {
			made.Ramps = append(made.Ramps, rampOf(t, p, made.Modulo))
		}
	}
	return made
}

func rampOf(t *rules.Table, p *rules.Policy, modulo int) state.Ramp {
	made := state.Ramp{Tag: p.TagValue, Percent: percent(int(p.Range), modulo)}
	step := p.StepAt(t.Since())
	if step >= 0 {
		made.Since = p.Ramp[step].At.UTC()
	}
	if next := step + 1; next < len(p.Ramp) {
		will := percent(int(p.Ramp[next].Range), modulo)
		made.Next, made.NextPercent = p.Ramp[next].At.UTC(), &will
	}
	from := max(0, min(step-state.MaxSteps/2, len(p.Ramp)-state.MaxSteps))
	to := min(from+state.MaxSteps, len(p.Ramp))
	for _, s := range p.Ramp[from:to] {
		made.Steps = append(made.Steps, state.RampStep{At: s.At.UTC(), Percent: percent(int(s.Range), modulo)})
	}
	made.StepsBefore, made.StepsAfter = from, len(p.Ramp)-to
	return made
}

// percent returns a part in percent, to four decimals: shares of a million buckets.
func percent(part, of int) float64 { return math.Round(1e6*float64(part)/float64(of)) / 1e4 }
