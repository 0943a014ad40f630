package admin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tagproc/tagproc/admin/page"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/rollout"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/shares"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/state"
)

// mostChoices is the most tags that the page offers. A link may have any.
const mostChoices = 100

// whatIfOf returns the choices that some rules leave, the first one chosen; nil: there is
// none.
func whatIfOf(all []state.Rule) *page.WhatIf {
	w := &page.WhatIf{}
	for i := range all {
		for _, t := range all[i].Tags {
			if t.Tag != "" && len(w.Choices) < mostChoices {
				w.Choices = append(w.Choices, page.Choice{Value: choiceOf(all[i].Name, t.Tag), Text: t.Tag + " of " + all[i].Name})
			}
		}
	}
	if len(w.Choices) == 0 {
		return nil
	}
	choose(w, all, w.Choices[0].Value)
	return w
}

// choiceOf returns what a form sends for a tag of a rule. Neither name has a tab.
func choiceOf(rule, tag string) string { return rule + "\t" + tag }

// choose chooses a tag of a rule, with the share that it has.
func choose(w *page.WhatIf, all []state.Rule, of string) {
	var ok bool
	if w.Rule, w.Tag, ok = strings.Cut(of, "\t"); !ok {
		w.Wrong = "The question names no rule and tag; choose one."
		return
	}
	for i := range w.Choices {
		w.Choices[i].Chosen = w.Choices[i].Value == of
	}
	i := slices.IndexFunc(all, func(r state.Rule) bool { return r.Name == w.Rule })
	if i < 0 {
		w.Wrong = fmt.Sprintf("There is no rule %s any more; choose another one.", w.Rule)
		return
	}
	w.Before = &all[i]
	w.From, w.To = boundary(&all[i], w.Tag)
	w.Share = rollout.ShareText(uint32(w.To-w.From), uint32(all[i].Modulo))
}

// boundary returns the buckets of a tag, from the first one to behind the last. Where
// others lie between, it is how many they are, from 0.
func boundary(r *state.Rule, tag string) (from, to int) {
	pieces, buckets := 0, 0
	for _, p := range r.Ruler {
		if p.Tag == tag {
			pieces, buckets = pieces+1, buckets+p.To-p.From
			from, to = p.From, p.To
		}
	}
	if pieces != 1 {
		return 0, buckets
	}
	return from, to
}

// answer answers a question of the page, one with a share in its turn. It reports false where
// the turn does not come. The turn ends before anything is written: whoever reads slowly
// keeps nobody waiting.
func (r *Replica) answer(ctx context.Context, q url.Values) (w *page.WhatIf, answered bool) {
	of, share := q.Get("of"), q.Get("share")
	if share != "" {
		leave := r.supposing.take(ctx)
		if leave == nil {
			return nil, false
		}
		defer leave()
	}
	return r.whatIf(ctx, of, share), true
}

// whatIf returns what became of users if a tag, chosen as choiceOf has it, had a share; "":
// the share that it has.
func (r *Replica) whatIf(ctx context.Context, of, share string) *page.WhatIf {
	now := r.now()
	all := r.rulesAt(now)
	w := whatIfOf(all)
	if w == nil {
		return nil
	}
	choose(w, all, of)
	if share == "" || w.Wrong != "" {
		return w
	}
	w.Share = share
	if err := r.suppose(ctx, w, now); err != nil {
		w.Wrong = "That cannot be: " + err.Error()
	}
	return w
}

// suppose gives the tag of w its share. It ends between two steps once ctx is done.
func (r *Replica) suppose(ctx context.Context, w *page.WhatIf, now time.Time) error {
	file := r.Reloads.file()
	if file == nil {
		return errors.New("the text of the live rules is not known")
	}
	rule, err := file.Rule(w.Rule, w.Tag)
	if err != nil {
		return err
	}
	amount, err := rollout.ParseAmount(w.Share)
	if err != nil {
		return err
	}
	after, err := file.Set(rule, now, rollout.Goal{Tag: w.Tag, Amount: amount})
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	then, _ := after.Table().At(now)
	made := ruleOf(then, &then.Rules()[rule], &shares.Of(then)[rule])
	w.After = &made
	w.From, w.To = boundary(&made, w.Tag)
	moving := shares.Compare(file.Table(), after.Table(), shares.Options{At: now}).Moving()
	w.Moving = &state.Moving{Percent: moving.Percent, AtMost: moving.AtMost, Named: moving.Named}
	w.Command = fmt.Sprintf("tagproc rollout set %s --rule %s %s", words.Shell(path.Base(r.File)), words.Shell(w.Rule), words.Shell(w.Tag)+"="+w.Share)
	if leaving := rollout.Leaving(file, after, rule, now, w.Tag); leaving != nil {
		w.Leaving = leaving.Error()
		w.Command += " --allow-leaving"
	}
	w.YAML = policiesText(then.Rules()[rule].Policies)
	return nil
}

// policiesText returns policies as a rules file has them.
func policiesText(all []rules.Policy) string {
	text := &strings.Builder{}
	text.WriteString("policies:\n")
	for _, p := range all {
		var parts []string
		if p.From > 0 {
			parts = append(parts, fmt.Sprintf("from: %d", p.From))
		}
		if p.Ramp == nil {
			parts = append(parts, fmt.Sprintf("range: %d", p.Range))
		}
		parts = append(parts, "tagValue: "+source.Written(p.TagValue))
		var steps []string
		for _, s := range p.Ramp {
			steps = append(steps, fmt.Sprintf("{at: %s, range: %d}", s.At.UTC().Format(time.RFC3339Nano), s.Range))
		}
		if steps != nil {
			parts = append(parts, "ramp: ["+strings.Join(steps, ", ")+"]")
		}
		fmt.Fprintf(text, "- {%s}\n", strings.Join(parts, ", "))
	}
	return text.String()
}
