package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/shares"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/state"
)

const (
	// mostListed is the most problems that are logged for one load.
	mostListed = 20
	// longestLoad is the most bytes of the line that says what a load changes.
	longestLoad = 300
)

// logLoad logs a load: one line with what it changes, or one for each of its problems.
// before are the rules that were live.
func (s *server) logLoad(l rulefile.Load, before *rules.Table, r state.Reload) {
	switch {
	case l.Table == nil && before == nil:
		s.log.Error("the rules file is refused, and there are no good rules yet; requests pass untagged",
			"file", s.options.rulesFile, "problems", len(l.Problems))
	case l.Table == nil:
		s.log.Error("the rules file is refused; the last good rules stay live",
			"file", s.options.rulesFile, "problems", len(l.Problems), "live_digest", r.Before)
	default:
		s.log.Info("rules are live", loadAttributes(r, len(l.Table.Rules()))...)
		s.logStep(l.Table)
		logChanges(s.log, rules.Changes(before, l.Table, r.At))
		logVisitors(s.log, before, l.Table)
	}
	logProblems(s.log, l.Problems)
}

// loadAttributes says what a load changes, so that the line has at most longestLoad bytes.
func loadAttributes(r state.Reload, count int) []any {
	attributes := []any{"rules", count, "before", cmp.Or(r.Before, "none"), "digest", r.Digest}
	if m := r.Moving; m != nil {
		attributes = append(attributes, "moving", shares.Figure{Percent: m.Percent, AtMost: m.AtMost, Named: m.Named}.String())
	}
	room := longestLoad - len(`{"time":"2026-12-01T10:00:00.123456789+01:00","level":"INFO","msg":"rules are live","changes":""}`) - 1
	for i := 0; i < len(attributes); i += 2 {
		room -= len(fmt.Sprint(attributes[i], attributes[i+1])) + len(`"":"",`)
	}
	return append(attributes, "changes", summary(r.Changes, r.ChangesLeftOut, room))
}

// summary returns changes in one text that has at most so many bytes in quotes. There are
// more, left out already.
func summary(changes []string, leftOut, most int) string {
	if len(changes) == 0 {
		return "none"
	}
	text := func(shown int, texts ...string) string {
		if more := len(changes) - shown + leftOut; more > 0 {
			texts = append(texts, fmt.Sprintf("and %d more", more))
		}
		return strings.Join(texts, "; ")
	}
	for shown := len(changes); shown > 0; shown-- {
		if made := text(shown, slices.Clone(changes[:shown])...); len(strconv.Quote(made)) <= most+2 {
			return made
		}
	}
	first := []rune(changes[0])
	for len(first) > 0 && len(strconv.Quote(text(1, string(first)+"…"))) > most+2 {
		first = first[:len(first)-1]
	}
	return text(1, string(first)+"…")
}

// logChanges logs each change for people who look closely.
func logChanges(log *slog.Logger, changes []rules.Change) {
	for _, c := range changes {
		log.Debug("what the load changes", "change", c.String())
	}
}

// logStep logs between which instants rules with ramps decide as they do now.
func (s *server) logStep(t *rules.Table) {
	if !t.HasRamps() {
		return
	}
	since, next, _ := s.processor.Step()
	s.log.Info("the rules have ramps", "since", instant(since), "next", instant(next))
}

// instant returns t for logs, "none" for no instant.
func instant(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// logVisitors says what Envoy needs for rules that give visitors cookies, where those
// before did not: nothing else would tell that it lacks it.
func logVisitors(log *slog.Logger, before, after *rules.Table) {
	visitors := after.Visitors()
	if len(visitors) == 0 || before != nil && slices.Equal(before.Visitors(), visitors) {
		return
	}
	var cookies []string
	for _, v := range visitors {
		cookies = append(cookies, v.Cookie)
	}
	log.Info("rules give visitors cookies; without Envoy's part of it each request is a new visitor", "cookies", strings.Join(cookies, " "),
		"needs", "cookie in forward_rules, "+contract.VisitorNamespace+" in receiving_namespaces, and a header_mutation filter that writes set-cookie",
		"see", "docs/envoy.md#visitors, or tagproc render envoyfilter")
}

// logProblems logs problems of a rules file, one line each, without ids of users. It leaves
// notes out: validate shows them to the author of the file.
func logProblems(log *slog.Logger, ps source.Problems) {
	ps = ps.Without(source.Note)
	for i := range ps[:min(mostListed, len(ps))] {
		p := rules.Redact(ps[i])
		level := slog.LevelError
		if p.Severity == source.Warning {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, p.Message, "at", p.Place(), "kind", string(p.Kind))
	}
}
