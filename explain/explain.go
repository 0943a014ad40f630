// Package explain says why a request gets the tags that it gets: the decisions
// of a rules table as the message Decision, and as text for people.
//
// It decides nothing: [rules.Table.Match] does, the same that serves requests.
// It never knows where a request comes from or what becomes of the answer.
package explain

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/baggage"
	"github.com/tagproc/tagproc/contract"
	tagprocv1 "github.com/tagproc/tagproc/proto/tagproc/v1"
	"github.com/tagproc/tagproc/rules"
)

// A Header is one header of a request. Its name may have any case.
type Header struct{ Name, Value string }

// Request returns what t decides for a request with the given headers, in their
// order.
func Request(t *rules.Table, headers []Header) *tagprocv1.Decision {
	r := t.NewRequest()
	keys := t.Keys()
	for i, k := range keys {
		for _, h := range headers {
			if strings.EqualFold(h.Name, k.Name) {
				r.SetKey(i, []byte(h.Value)) // the first one counts
			}
		}
	}
	out := &tagprocv1.Decision{RulesDigest: t.Digest()}
	tags, all := t.Tags(), t.Rules()
	for i, d := range t.Match(r) {
		rule := &all[i]
		key := &tagprocv1.Key{Source: rule.Key.Source.String(), Name: rule.Key.Name}
		if v := r.Key(slices.Index(keys, rule.Key)); v != nil {
			key.Value = proto.String(strings.ToValidUTF8(string(v), "\uFFFD"))
		}
		out.Rules = append(out.Rules, ruleDecision(t, i, rule, tags, key, d))
		if d.Writes() {
			out.Set = append(out.Set, &tagprocv1.TagHeader{Name: tags[d.Tag].Header, Value: tags[d.Tag].Value, Rule: rule.Name})
		}
	}
	if !t.Propagated().IsZero() {
		out.Baggage = baggageOf(t, out.Set, headers)
	}
	return out
}

// baggageOf returns what becomes of the baggage in headers where set is written. The
// code is that which serves requests.
func baggageOf(t *rules.Table, set []*tagprocv1.TagHeader, headers []Header) *tagprocv1.Baggage {
	propagated := t.Propagated()
	r := &baggage.Rewriter{}
	if !t.TrustClientTags() {
		r.Owned = baggage.NewNames(propagated.Headers, propagated.Prefixes)
	}
	for _, header := range t.TagHeaders() {
		for _, s := range set {
			if s.Name == header && propagated.Contains(header) {
				r.Write(baggage.NewMember(s.Name, s.Value))
			}
		}
	}
	var values []string
	for _, h := range headers {
		if strings.EqualFold(h.Name, contract.Baggage) {
			r.Read([]byte(h.Value))
			values = append(values, h.Value)
		}
	}
	value := strings.Join(values, ",")
	if written, changed := r.Result(r.Fits()); changed {
		value = string(written)
	}
	return &tagprocv1.Baggage{Value: strings.ToValidUTF8(value, "\uFFFD"), OverLimits: r.Writes() && !r.Fits()}
}

var modes = map[rules.Mode]tagprocv1.Mode{
	rules.ModeEnforce: tagprocv1.Mode_MODE_ENFORCE,
	rules.ModeShadow:  tagprocv1.Mode_MODE_SHADOW,
	rules.ModeOff:     tagprocv1.Mode_MODE_OFF,
}

var reasons = map[rules.Reason]tagprocv1.Reason{
	rules.ReasonOff:        tagprocv1.Reason_REASON_OFF,
	rules.ReasonSuperseded: tagprocv1.Reason_REASON_SUPERSEDED,
	rules.ReasonNoKey:      tagprocv1.Reason_REASON_NO_KEY,
	rules.ReasonOverride:   tagprocv1.Reason_REASON_OVERRIDE,
	rules.ReasonPolicy:     tagprocv1.Reason_REASON_POLICY,
	rules.ReasonNoPolicy:   tagprocv1.Reason_REASON_NO_POLICY,
}

// ruleDecision is the message for d, the decision of the rule of index i.
func ruleDecision(t *rules.Table, i int, rule *rules.Rule, tags []rules.Tag, key *tagprocv1.Key, d rules.Decision) *tagprocv1.RuleDecision {
	rd := &tagprocv1.RuleDecision{
		Name: rule.Name, Mode: modes[rule.Mode], Reason: reasons[d.Reason],
		Key: key, Hash: rule.Hash.String(), Salt: rule.Salt, Modulo: rule.Modulo, TagHeader: rule.TagHeader,
	}
	if d.Tag != rules.NoTag {
		rd.TagValue = proto.String(tags[d.Tag].Value)
	}
	if d.Reason == rules.ReasonPolicy || d.Reason == rules.ReasonNoPolicy {
		rd.HashValue, rd.Bucket = &d.Hash, &d.Bucket
	}
	switch d.Reason {
	case rules.ReasonPolicy:
		from, to := t.Span(i, d.Bucket)
		rd.DecidedBy = &tagprocv1.RuleDecision_Policy{Policy: &tagprocv1.Policy{Index: uint32(d.Policy), LowerBound: from, Range: to}}
	case rules.ReasonOverride:
		rd.DecidedBy = &tagprocv1.RuleDecision_Override{Override: &tagprocv1.Override{Index: uint32(d.Policy), Value: rd.Key.GetValue()}}
	}
	return rd
}
