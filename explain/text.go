package explain

import (
	"fmt"

	"github.com/tagproc/tagproc/internal/terminal"
	tagprocv1 "github.com/tagproc/tagproc/proto/tagproc/v1"
)

// WriteText writes d for people: first what is written onto the request, then
// how each rule came to it.
func WriteText(t *terminal.Writer, d *tagprocv1.Decision) error {
	if len(d.Set) == 0 {
		t.Printf("%s\n", terminal.Bold.Textf("no tag"))
	}
	for _, s := range d.Set {
		t.Printf("%s %s\n", terminal.Bold.Textf("%s: %s", s.Name, s.Value), terminal.Faint.Textf("(rule %s)", s.Rule))
	}
	if b := d.Baggage; b.GetValue() != "" {
		t.Printf("%s %s\n", terminal.Bold.Textf("baggage: %s", b.Value), terminal.Faint.Textf("%s", baggageNotes[b.OverLimits]))
	}
	for _, r := range d.Rules {
		t.Printf("\nrule %s%s\n", terminal.Bold.Textf("%s", r.Name), terminal.Faint.Textf("%s", modeNotes[r.Mode]))
		writeRule(t, r)
	}
	t.Printf("\n%s\n", terminal.Faint.Textf("rules digest %s", d.RulesDigest))
	return t.Err()
}

// baggageNotes follow the baggage, by whether it is over its limits.
var baggageNotes = map[bool]string{
	false: "(propagation)",
	true:  "(without the tags: with them it would have more than 64 members or 8,192 bytes)",
}

// modeNotes follow the name of a rule whose decision does not count.
var modeNotes = map[tagprocv1.Mode]string{
	tagprocv1.Mode_MODE_SHADOW: " (shadow: decided, counted and not written)",
	tagprocv1.Mode_MODE_OFF:    " (off)",
}

func writeRule(t *terminal.Writer, r *tagprocv1.RuleDecision) {
	if r.Reason == tagprocv1.Reason_REASON_OFF {
		line(t, "outcome", "the rule is off")
		return
	}
	if r.Key.Value == nil {
		line(t, "key", "%s %s is not in the request", r.Key.Source, r.Key.Name)
	} else {
		line(t, "key", "%s %s = %q", r.Key.Source, r.Key.Name, *r.Key.Value)
	}
	if r.Bucket != nil {
		salt := ""
		if r.Salt != "" {
			salt = fmt.Sprintf(" with salt %q", r.Salt)
		}
		line(t, "hash", "%s%s = %d", r.Hash, salt, *r.HashValue)
		line(t, "bucket", "%d = %d %% %d", *r.Bucket, *r.HashValue, r.Modulo)
	}
	line(t, "outcome", "%s", outcome(r))
}

func line(t *terminal.Writer, label, format string, args ...any) {
	t.Printf("  %-8s "+format+"\n", append([]any{label}, args...)...)
}

// outcome says in one line what decided, and what it decided.
func outcome(r *tagprocv1.RuleDecision) string {
	tag := "no " + r.TagHeader
	if r.TagValue != nil {
		tag = fmt.Sprintf("%s: %s", r.TagHeader, *r.TagValue)
	}
	switch r.Reason {
	case tagprocv1.Reason_REASON_SUPERSEDED:
		return fmt.Sprintf("an earlier rule decides %s", r.TagHeader)
	case tagprocv1.Reason_REASON_NO_KEY:
		return "the rule does not apply"
	case tagprocv1.Reason_REASON_OVERRIDE:
		return fmt.Sprintf("override %d names this user → %s", r.GetOverride().GetIndex()+1, tag)
	case tagprocv1.Reason_REASON_POLICY:
		p := r.GetPolicy()
		return fmt.Sprintf("policy %d takes buckets %d to %d → %s", p.GetIndex()+1, p.GetLowerBound(), p.GetRange()-1, tag)
	default:
		return fmt.Sprintf("no policy takes bucket %d → %s", r.GetBucket(), tag)
	}
}
