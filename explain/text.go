package explain

import (
	"fmt"
	"slices"

	"github.com/tagproc/tagproc/internal/terminal"
)

// WriteText writes d for people: first the changes of the request's headers, then how
// each rule decided.
func WriteText(t *terminal.Writer, d *Decision) error {
	if len(d.Set) == 0 {
		t.Printf("%s\n", terminal.Bold.Textf("no tag"))
	}
	for _, s := range d.Set {
		t.Printf("%s %s\n", terminal.Bold.Textf("%s: %s", s.Name, s.Value), terminal.Faint.Textf("(rule %s)", s.Rule))
	}
	for _, name := range d.Removed {
		verb := "removed"
		if slices.ContainsFunc(d.Set, func(s Tag) bool { return s.Name == name }) {
			verb = "replaced"
		}
		t.Printf("%s of the client is %s: only tagproc sets tag headers\n", name, verb)
	}
	if b := d.Baggage; b != nil {
		writeForged(t, "baggage", b.Removed)
	}
	if b := d.Baggage; b != nil && b.Value != "" {
		t.Printf("%s %s\n", terminal.Bold.Textf("baggage: %s", b.Value), terminal.Faint.Textf("%s", baggageNotes[b.OverLimits]))
	}
	if c := d.CorrelationContext; c != nil {
		writeForged(t, "correlation-context", c.Removed)
		if len(c.Removed) > 0 && c.Value != "" {
			t.Printf("%s %s\n", terminal.Bold.Textf("correlation-context: %s", c.Value), terminal.Faint.Textf("(what stays of it)"))
		}
	}
	for _, c := range d.SetCookie {
		t.Printf("%s %s\n", terminal.Bold.Textf("set-cookie: %s", c), terminal.Faint.Textf("(on the response, with cache-control: private)"))
	}
	for _, r := range d.Rules {
		t.Printf("\nrule %s%s\n", terminal.Bold.Textf("%s", r.Name), terminal.Faint.Textf("%s", ModeNote(r)))
		writeRule(t, r)
	}
	t.Printf("\n%s\n", terminal.Faint.Textf("rules digest %s%s", d.RulesDigest, stage(d)))
	return t.Err()
}

// writeForged writes which members of a header that carries tags are removed.
func writeForged(t *terminal.Writer, header string, members []string) {
	for _, m := range members {
		t.Printf("%s of the client in %s is removed: only tagproc sets tags that travel\n", m, header)
	}
}

// baggageNotes follow the baggage, by whether it is over its limits.
var baggageNotes = map[bool]string{
	false: "(propagation)",
	true:  "(without the tags: with them it would have more than 64 members or 8,192 bytes)",
}

// modeNotes follow the name of a rule that is not enforced.
var modeNotes = map[string]string{
	"shadow": " (shadow: decided and counted, but not written)",
	"off":    " (off)",
}

// ModeNote returns what follows the name of a rule in a mode other than enforce; "" of
// enforce.
func ModeNote(r Rule) string { return modeNotes[r.Mode] }

func writeRule(t *terminal.Writer, r Rule) {
	if r.Reason == "off" {
		t.Labelled("outcome", "%s", Outcome(r))
		return
	}
	for _, ramp := range r.Ramps {
		t.Labelled("ramp", "%s", rampText(ramp))
	}
	if r.Reason == "no_match" {
		t.Labelled("match", "the request is not for %s", r.Unmet)
	} else {
		writeKeys(t, r)
	}
	if r.Bucket != nil {
		salt := ""
		if r.Salt != "" {
			salt = fmt.Sprintf(" with salt %q", r.Salt)
		}
		t.Labelled("hash", "%s%s = %s", r.Hash, salt, *r.HashValue)
		t.Labelled("bucket", "%d = %s %% %d", *r.Bucket, *r.HashValue, r.Modulo)
	}
	t.Labelled("outcome", "%s", Outcome(r))
}

// writeKeys writes the keys of r up to the one taken.
func writeKeys(t *terminal.Writer, r Rule) {
	keys := r.Keys
	if len(keys) == 0 {
		keys = []Key{r.Key}
	}
	for _, k := range keys {
		switch {
		case k.Minted:
			t.Labelled("key", "%s %s is not in the request: the visitor gets a random id, here %s", k.Source, k.Name, *k.Value)
		case k.Value == nil:
			t.Labelled("key", "%s %s is not in the request", k.Source, k.Name)
			continue
		default:
			t.Labelled("key", "%s %s = %q", k.Source, k.Name, *k.Value)
		}
		if *k.Value != "" {
			return
		}
	}
}

// Outcome returns in one line what decided, and its decision.
func Outcome(r Rule) string {
	tag := "no " + r.TagHeader
	if r.Tag != nil {
		tag = fmt.Sprintf("%s: %s", r.TagHeader, *r.Tag)
	}
	switch r.Reason {
	case "off":
		return "the rule is off"
	case "superseded":
		return fmt.Sprintf("an earlier rule decides %s", r.TagHeader)
	case "no_key", "no_match":
		return "the rule does not apply"
	case "override":
		return fmt.Sprintf("override %d names this user → %s", r.Override.Number, tag)
	case "policy":
		return fmt.Sprintf("policy %d takes buckets %d to %d → %s", r.Policy.Number, r.Policy.From, r.Policy.Range-1, tag)
	default:
		return fmt.Sprintf("no policy takes bucket %d → %s", *r.Bucket, tag)
	}
}

// stage returns between which instants of their ramps the rules are.
func stage(d *Decision) string {
	switch {
	case d.RulesSince == "" && d.RulesUntil == "":
		return ""
	case d.RulesSince == "":
		return ", before the first step of their ramps at " + d.RulesUntil
	case d.RulesUntil == "":
		return ", since the last step of their ramps at " + d.RulesSince
	default:
		return ", between the steps of their ramps at " + d.RulesSince + " and " + d.RulesUntil
	}
}

// rampText returns the state of a ramp in one line.
func rampText(r Ramp) string {
	text := fmt.Sprintf("policy %d has range %d", r.Policy, r.Range)
	if r.Since != "" {
		text += " since " + r.Since
	}
	if r.NextRange == nil {
		return text + ", its last step"
	}
	return text + fmt.Sprintf(", and %d from %s on", *r.NextRange, r.Next)
}
