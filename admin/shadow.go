package admin

import (
	"sync"
	"time"

	"github.com/tagproc/tagproc/rollout"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/shares"
	"github.com/tagproc/tagproc/state"
)

// mostShadows bounds the rules in shadow for which admin computes who would move.
const mostShadows = 10

// A shadow says what became of users if a rule in shadow were enforced.
type shadow struct {
	replaces string        // the rule that would be off then; "" for none
	moving   *state.Moving // nil: it is not computed
}

// shadows remember what they computed of a table until another one decides.
type shadows struct {
	mu  sync.Mutex
	of  *rules.Table
	all map[string]shadow // by the name of the rule
}

// read returns the shadows of t, which decides at an instant.
func (s *shadows) read(t *rules.Table, m *Reloads, now time.Time) map[string]shadow {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of != t {
		s.of, s.all = t, shadowsOf(t, m, now)
	}
	return s.all
}

func shadowsOf(t *rules.Table, m *Reloads, now time.Time) map[string]shadow {
	all, made := t.Rules(), map[string]shadow{}
	var file *rollout.File
	for i := range all {
		if all[i].Mode != rules.ModeShadow || len(made) == mostShadows || len(all) > mostCompared {
			continue
		}
		if file == nil {
			if file = m.file(); file == nil || file.Table().Digest() != t.Digest() {
				return nil // another table is becoming live
			}
		}
		made[all[i].Name] = shadowOf(file, all, i, now)
	}
	return made
}

// shadowOf returns what became of users if the rule of index i were enforced.
func shadowOf(f *rollout.File, all []rules.Rule, i int, now time.Time) (made shadow) {
	after, err := f.SetMode(i, rules.ModeEnforce)
	for j := range all {
		if err == nil && all[j].Mode == rules.ModeEnforce && all[j].TagHeader == all[i].TagHeader && all[j].Match.String() == all[i].Match.String() {
			made.replaces = all[j].Name
			after, err = after.SetMode(j, rules.ModeOff)
			break
		}
	}
	if err != nil {
		return made
	}
	moving := shares.Compare(f.Table(), after.Table(), shares.Options{At: now}).Moving()
	made.moving = &state.Moving{Percent: moving.Percent, AtMost: moving.AtMost, Named: moving.Named}
	return made
}
