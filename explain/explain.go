// Package explain says why a request gets the tags that it gets: the decisions
// of a rules table as a Decision, which has a form in JSON, and as text for people.
//
// It decides nothing: [rules.Table.Match] does, the same that serves requests.
// It never knows where a request comes from or what becomes of the answer.
package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/baggage"
	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A Header is one header of a request. Its name may have any case.
type Header struct{ Name, Value string }

// Request returns what t decides for a request with the given headers, in their
// order.
func Request(t *rules.Table, headers []Header) *Decision {
	r := t.NewRequest()
	keys := t.Keys()
	for i, k := range keys {
		for _, h := range headers {
			if strings.EqualFold(h.Name, k.Name) {
				r.SetKey(i, []byte(h.Value)) // the first one counts
			}
		}
	}
	out := &Decision{RulesDigest: t.Digest(), Set: []Tag{}, Removed: []string{}}
	tags, all := t.Tags(), t.Rules()
	for i, d := range t.Match(r) {
		rule := &all[i]
		key := Key{Source: rule.Key.Source.String(), Name: rule.Key.Name}
		if v := r.Key(slices.Index(keys, rule.Key)); v != nil {
			text := strings.ToValidUTF8(string(v), "\uFFFD")
			key.Value = &text
		}
		out.Rules = append(out.Rules, newRule(t, i, rule, tags, key, d))
		if d.Writes() {
			out.Set = append(out.Set, Tag{Name: tags[d.Tag].Header, Value: tags[d.Tag].Value, Rule: rule.Name})
		}
	}
	out.Removed = removed(t, headers, out.Set)
	if !t.Propagated().IsZero() {
		out.Baggage = baggageOf(t, out.Set, headers)
	}
	return out
}

// isForged reports whether a client has no right to send a header: it is a tag header,
// or another spelling of one.
func isForged(t *rules.Table, name string) bool {
	owned := t.Owned()
	return owned.Contains(name) || owned.Folds([]byte(name))
}

// removed returns the names of headers of a client that are removed, or replaced by
// what is set.
func removed(t *rules.Table, headers []Header, set []Tag) []string {
	names := []string{}
	for _, h := range headers {
		name := strings.ToLower(h.Name)
		replaced := slices.ContainsFunc(set, func(s Tag) bool { return s.Name == name })
		if (replaced || !t.TrustClientTags() && isForged(t, name)) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Hints says of each header that no rule reads and whose name is nearly that of a key
// which the request lacks: it may be meant.
func Hints(t *rules.Table, headers []Header) (hints []string) {
	var missing []string
	is := func(name string) func(Header) bool {
		return func(h Header) bool { return strings.EqualFold(h.Name, name) }
	}
	for _, k := range t.Keys() {
		if !slices.ContainsFunc(headers, is(k.Name)) {
			missing = append(missing, k.Name)
		}
	}
	for _, h := range headers {
		isKey := slices.ContainsFunc(t.Keys(), func(k rules.Key) bool { return strings.EqualFold(k.Name, h.Name) })
		if near := source.Nearest(h.Name, missing); near != "" && !isKey && !isForged(t, strings.ToLower(h.Name)) {
			hints = append(hints, fmt.Sprintf("no rule reads the header %q, did you mean %q?", h.Name, near))
		}
	}
	return hints
}

// baggageOf returns what becomes of the baggage in headers where set is written. The
// code is that which serves requests.
func baggageOf(t *rules.Table, set []Tag, headers []Header) *Baggage {
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
	return &Baggage{Value: strings.ToValidUTF8(value, "\uFFFD"), OverLimits: r.Writes() && !r.Fits()}
}

// newRule returns how the rule of index i came to d.
func newRule(t *rules.Table, i int, rule *rules.Rule, tags []rules.Tag, key Key, d rules.Decision) Rule {
	out := Rule{
		Name: rule.Name, Mode: rule.Mode.String(), Reason: d.Reason.String(),
		Key: key, Hash: rule.Hash.String(), Salt: rule.Salt, Modulo: rule.Modulo, TagHeader: rule.TagHeader,
	}
	if d.Tag != rules.NoTag {
		out.Tag = &tags[d.Tag].Value
	}
	if d.Reason == rules.ReasonPolicy || d.Reason == rules.ReasonNoPolicy {
		bucket := d.Bucket
		out.Bucket, out.HashValue = &bucket, &HashValue{d.Hash, rule.Hash}
	}
	switch d.Reason {
	case rules.ReasonPolicy:
		from, to := t.Span(i, d.Bucket)
		out.Policy = &Policy{Index: int(d.Policy), From: from, Range: to}
	case rules.ReasonOverride:
		out.Override = &Override{Index: int(d.Policy)}
	}
	return out
}
