// Package explain says why a request gets its tags: the decisions of a rules table as a
// Decision, which marshals to JSON, and as text for people.
//
// It decides nothing: [rules.Table.Match] does, as for served requests. It never knows
// where a request comes from or who uses the answer.
package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tagproc/tagproc/baggage"
	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A Header is one header of a request. Its name may have any case.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Question is a request to be explained, and when: the body of POST /explain.
type Question struct {
	Headers []Header  `json:"headers"`
	At      time.Time `json:"at,omitzero"` // where rules have ramps; absent: now
}

// Request returns what t decides at the gateway for a request with the given headers, in
// their order. They may be pseudo-headers: ":authority", or host, and ":path". For rules
// with ramps, t is the table of the instant in question, from [rules.Table.At].
func Request(t *rules.Table, headers []Header) *Decision {
	r := t.NewRequest()
	r.Mints = true
	for i, name := range t.Inputs() {
		for _, h := range headers {
			if isInput(h, name) {
				r.SetHeader(i, []byte(h.Value))
			}
		}
	}
	out := &Decision{RulesDigest: t.Digest(), Set: []Tag{}, Removed: []string{}}
	if t.HasRamps() {
		_, next := t.At(t.Since())
		out.RulesSince, out.RulesUntil = instant(t.Since()), instant(next)
	}
	tags, all := t.Tags(), t.Rules()
	given := map[string]bool{} // cookies
	for i, d := range t.Match(r) {
		rule := &all[i]
		out.Rules = append(out.Rules, newRule(t, r, i, rule, tags, d))
		if d.Writes() {
			out.Set = append(out.Set, Tag{Name: tags[d.Tag].Header, Value: tags[d.Tag].Value, Rule: rule.Name})
		}
		if d.Minted && d.Mode == rules.ModeEnforce {
			given[rule.Keys[d.Key].Name] = true
		}
	}
	for _, v := range t.Visitors() {
		if given[v.Cookie] {
			before, behind := v.SetCookie()
			out.SetCookie = append(out.SetCookie, before+string(r.Given())+behind)
		}
	}
	out.Removed = removed(t, headers, out.Set)
	out.travelling(t, headers)
	return out
}

// isInput reports whether h is the header that rules call name. Envoy turns host into
// :authority.
func isInput(h Header, name string) bool {
	return strings.EqualFold(h.Name, name) || name == ":authority" && strings.EqualFold(h.Name, "host")
}

// instant returns t in the form of a Decision, "" for no instant.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// isForged reports whether a header is one that a client must not send: a tag header, or
// another spelling of one.
func isForged(t *rules.Table, name string) bool {
	owned := t.Owned()
	return owned.Contains(name) || owned.Folds([]byte(name))
}

// removed returns the names of headers of a client that are removed or replaced.
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

// Hints returns a hint for each header that no rule reads and whose name is nearly that of
// a key that the request lacks.
func Hints(t *rules.Table, headers []Header) (hints []string) {
	var missing []string
	is := func(name string) func(Header) bool {
		return func(h Header) bool { return strings.EqualFold(h.Name, name) }
	}
	for _, name := range t.Inputs() {
		if !slices.ContainsFunc(headers, is(name)) {
			missing = append(missing, name)
		}
	}
	for _, h := range headers {
		isKey := slices.ContainsFunc(t.Inputs(), func(name string) bool { return isInput(h, name) })
		if near := source.Nearest(h.Name, missing); near != "" && !isKey && !isForged(t, strings.ToLower(h.Name)) {
			hints = append(hints, fmt.Sprintf("no rule reads the header %q%s", h.Name, source.DidYouMean(near)))
		}
	}
	return hints
}

// travelling says what becomes of the headers in which tags travel where set is written.
// The code is that which serves requests.
func (d *Decision) travelling(t *rules.Table, headers []Header) {
	propagated := t.Propagated()
	if propagated.IsZero() {
		return
	}
	bare := func() *baggage.Rewriter {
		r := &baggage.Rewriter{}
		if !t.TrustClientTags() {
			r.Owned = baggage.NewNames(propagated.Headers, propagated.Prefixes)
		}
		return r
	}
	rewriter := func() *baggage.Rewriter {
		r := bare()
		for _, header := range t.TagHeaders() {
			for _, s := range d.Set {
				if s.Name == header && propagated.Contains(header) {
					r.Write(baggage.NewMember(s.Name, s.Value))
				}
			}
		}
		return r
	}
	r := rewriter()
	value, forged := members(r, rewriter, headers, contract.Baggage)
	withTags := r.Fits()
	if written, changed := r.Result(withTags); changed {
		value = string(written)
	}
	d.Baggage = &Baggage{Value: valid(value), OverLimits: r.Writes() && !withTags, Removed: forged}
	if !slices.ContainsFunc(headers, func(h Header) bool { return strings.EqualFold(h.Name, contract.CorrelationContext) }) {
		return
	}
	r = bare() // no tag is written here
	value, forged = members(r, bare, headers, contract.CorrelationContext)
	if left, changed := r.Result(false); changed {
		value = string(left)
	}
	d.CorrelationContext = &CorrelationContext{Value: valid(value), Removed: forged}
}

// members has r read the headers called name. It returns their values, joined, and the
// forged members among them.
func members(r *baggage.Rewriter, fresh func() *baggage.Rewriter, headers []Header, name string) (value string, forged []string) {
	var values []string
	for _, h := range headers {
		if !strings.EqualFold(h.Name, name) {
			continue
		}
		r.Read([]byte(h.Value))
		values = append(values, h.Value)
		for member := range strings.SplitSeq(h.Value, ",") {
			one := fresh()
			one.Read([]byte(member))
			if _, removed := one.Result(false); removed {
				forged = append(forged, valid(strings.Trim(member, " \t")))
			}
		}
	}
	return strings.Join(values, ","), forged
}

// valid returns text as it stands in a Decision.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// newRule returns how the rule of index i decided d on r.
func newRule(t *rules.Table, r *rules.Request, i int, rule *rules.Rule, tags []rules.Tag, d rules.Decision) Rule {
	out := Rule{
		Name: rule.Name, Mode: rule.Mode.String(), Reason: d.Reason.String(),
		Hash: rule.Hash.String(), Salt: rule.Salt, Modulo: rule.Modulo, TagHeader: rule.TagHeader,
		Ramps: rampsOf(t, rule),
	}
	keys := keysOf(t, r, i, rule, d)
	if out.Key = keys[max(0, d.Key)]; len(keys) > 1 {
		out.Keys = keys
	}
	if d.Reason == rules.ReasonNoMatch {
		out.Unmet = unmet(t, rule.Match, d)
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
		out.Policy = &Policy{Number: int(d.Policy) + 1, From: from, Range: to}
	case rules.ReasonOverride:
		out.Override = &Override{Number: int(d.Policy) + 1}
	}
	return out
}

// keysOf returns the keys of the rule of index i as r has them.
func keysOf(t *rules.Table, r *rules.Request, i int, rule *rules.Rule, d rules.Decision) (keys []Key) {
	for j, k := range rule.Keys {
		key, taken, index := Key{Source: k.Source.String(), Name: k.Name}, int(d.Key) == j, t.KeyIndex(i, j)
		key.Minted = taken && d.Minted
		if v := r.Key(index); v != nil && (k.Source != rules.KeyVisitor || taken || !r.Absent(index)) {
			text := strings.ToValidUTF8(string(v), "\uFFFD")
			key.Value = &text
		}
		keys = append(keys, key)
	}
	return keys
}

// rampsOf returns the ramps of a rule of t.
func rampsOf(t *rules.Table, rule *rules.Rule) (ramps []Ramp) {
	for i := range rule.Policies {
		p := &rule.Policies[i]
		if p.Ramp == nil {
			continue
		}
		ramp, step := Ramp{Policy: i + 1, Range: p.Range}, p.StepAt(t.Since())
		if step >= 0 {
			ramp.Since = instant(p.Ramp[step].At)
		}
		if next := step + 1; next < len(p.Ramp) {
			ramp.Next, ramp.NextRange = instant(p.Ramp[next].At), &p.Ramp[next].Range
		}
		ramps = append(ramps, ramp)
	}
	return ramps
}

// unmet returns the condition of m that does not hold, by d, without ids of users: others
// than whose request it is may ask.
func unmet(t *rules.Table, m rules.Match, d rules.Decision) string {
	switch d.Policy {
	case rules.UnmetHosts:
		return rules.Match{Hosts: m.Hosts}.String()
	case rules.UnmetPaths:
		return rules.Match{Paths: m.Paths}.String()
	default:
		i := d.Policy - rules.UnmetHeaders
		return t.MatchText(rules.Match{Headers: m.Headers[i : i+1]})
	}
}
