package explain

import (
	"bufio"
	"fmt"
	"io"

	"github.com/fatih/color"

	"github.com/tagproc/tagproc/internal/paint"
	tagprocv1 "github.com/tagproc/tagproc/proto/tagproc/v1"
)

// WriteText writes d for people: first what is written onto the request, then
// how each rule came to it.
func WriteText(out io.Writer, d *tagprocv1.Decision, colored bool) error {
	bold, faint := paint.With(colored, color.Bold), paint.With(colored, color.Faint)
	w := bufio.NewWriter(out)
	if len(d.Set) == 0 {
		fmt.Fprintln(w, bold.Sprint("no tag"))
	}
	for _, s := range d.Set {
		fmt.Fprintf(w, "%s %s\n", bold.Sprint(s.Name+": "+s.Value), faint.Sprintf("(rule %s)", s.Rule))
	}
	if b := d.Baggage; b.GetValue() != "" {
		fmt.Fprintf(w, "%s %s\n", bold.Sprint("baggage: "+b.Value), faint.Sprint(baggageNotes[b.OverLimits]))
	}
	for _, r := range d.Rules {
		fmt.Fprintf(w, "\nrule %s%s\n", bold.Sprint(r.Name), faint.Sprint(modeNotes[r.Mode]))
		writeRule(w, r)
	}
	fmt.Fprintf(w, "\n%s\n", faint.Sprint("rules digest "+d.RulesDigest))
	return w.Flush()
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

func writeRule(w io.Writer, r *tagprocv1.RuleDecision) {
	if r.Reason == tagprocv1.Reason_REASON_OFF {
		line(w, "outcome", "the rule is off")
		return
	}
	if r.Key.Value == nil {
		line(w, "key", "%s %s is not in the request", r.Key.Source, r.Key.Name)
	} else {
		line(w, "key", "%s %s = %q", r.Key.Source, r.Key.Name, *r.Key.Value)
	}
	if r.Bucket != nil {
		salt := ""
		if r.Salt != "" {
			salt = fmt.Sprintf(" with salt %q", r.Salt)
		}
		line(w, "hash", "%s%s = %d", r.Hash, salt, *r.HashValue)
		line(w, "bucket", "%d = %d %% %d", *r.Bucket, *r.HashValue, r.Modulo)
	}
	line(w, "outcome", "%s", outcome(r))
}

func line(w io.Writer, label, format string, args ...any) {
	fmt.Fprintf(w, "  %-8s %s\n", label, fmt.Sprintf(format, args...))
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
