package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/observed"
)

// writeReport writes what verify found, and returns a failure if something differs.
func writeReport(cmd *cobra.Command, file string, r *observed.Report, out output) error {
	t := stdout(cmd)
	if out == outputJSON {
		err := t.JSON(struct {
			File string `json:"file"`
			OK   bool   `json:"ok"`
			*observed.Report
		}{file, r.OK(), r})
		if err != nil {
			return &failure{err: err, code: exitUnable}
		}
	} else {
		writeReportText(t, file, r)
	}
	if t.Err() != nil {
		return &failure{err: t.Err(), code: exitUnable}
	}
	if !r.OK() {
		return &failure{}
	}
	return nil
}

// writeReportText writes what verify found, for people.
func writeReportText(t *terminal.Writer, file string, r *observed.Report) {
	if r.Elsewhere == 0 {
		t.Printf("%s: %s\n", file, terminal.Bold.Textf("%s, no one would be sent elsewhere", userCount(r.Users)))
	} else {
		t.Printf("%s: %s (%s)\n", file, terminal.Bold.Textf("%d of %s would be sent elsewhere", r.Elsewhere, userCount(r.Users)),
			words.Percent(100*float64(r.Elsewhere)/float64(r.Users), 2))
	}
	t.Table(func(t *terminal.Writer) {
		if len(r.Moves) > 0 {
			t.Printf("\nobserved → rules\n")
		}
		for _, m := range r.Moves {
			t.Printf("  %s\t%s → %s\t%s\n", m.Header, tagText(m.From), tagText(m.To), userCount(m.Users))
		}
		writeDifferent(t, r)
		writeContradictions(t, r)
	})
	writeRemarks(t, r)
	t.Printf("\nrules digest %s\n", r.RulesDigest)
}

// writeDifferent writes who would be sent elsewhere, and why.
func writeDifferent(t *terminal.Writer, r *observed.Report) {
	if len(r.Different) == 0 {
		return
	}
	t.Printf("\nwho%s\n", firstOf(len(r.Different), r.Elsewhere))
	for _, u := range r.Different {
		place, id := fmt.Sprintf("line %d", u.Line), keysText(u.Keys)
		for _, d := range u.Tags {
			t.Printf("  %s\t%s\t%s\t%s → %s\t%s\n", place, id, d.Header, tagText(d.Observed), tagText(d.Tag), whyText(d))
			place, id = "", "" // said once
		}
	}
}

// writeContradictions writes which rows contradict the first row of their user.
func writeContradictions(t *terminal.Writer, r *observed.Report) {
	if r.Contradicting == 0 {
		return
	}
	t.Printf("\n%s something else than an earlier one of the same user, which counts%s\n",
		words.Count(r.Contradicting, "row says", "rows say"), firstOf(len(r.Contradictions), r.Contradicting))
	for _, c := range r.Contradictions {
		t.Printf("  line %d\t%s\tunlike line %d\n", c.Line, keysText(c.Keys), c.First)
	}
}

// writeRemarks writes what else a reader must know about the figures.
func writeRemarks(t *terminal.Writer, r *observed.Report) {
	var remarks []string
	remark := func(n int64, format string, args ...any) {
		if n > 0 {
			remarks = append(remarks, fmt.Sprintf(format, args...))
		}
	}
	remark(r.Repeated, "%s of a user who had the same one before", words.Count(r.Repeated, "row", "rows"))
	remark(r.WithoutID, "%s without an id, not compared", words.Count(r.WithoutID, "row", "rows"))
	remark(r.NotRemembered, "%s of users beyond the first %d, each counted as a user of its own", words.Count(r.NotRemembered, "row", "rows"), observed.MaxUsers)
	for _, h := range r.NotCompared {
		remark(1, "%s has no column and is not compared", h)
	}
	for _, u := range r.UnknownTags {
		remark(1, "%s: no rule has the tag %q of %s; if it is a version, --map says which tag it stands for", u.Header, u.Tag, userCount(u.Users))
	}
	for _, m := range r.UnusedMappings {
		remark(1, "--map %s: no row has that value", m)
	}
	writeParagraph(t, remarks)
}

// writeParagraph writes lines behind an empty one.
func writeParagraph(t *terminal.Writer, lines []string) {
	for i, text := range lines {
		if i == 0 {
			t.Printf("\n")
		}
		t.Printf("%s\n", text)
	}
}

// whyText returns what decides a tag.
func whyText(d observed.Diff) string {
	switch {
	case d.Rule == "":
		return "no rule decides"
	case d.Bucket == nil:
		return fmt.Sprintf("named in rule %s", d.Rule)
	default:
		return fmt.Sprintf("bucket %d of %d in rule %s", *d.Bucket, d.Modulo, d.Rule)
	}
}

func tagText(tag string) string {
	if tag == "" {
		return words.Tag(tag)
	}
	return quoted(tag)
}

// keysText returns a user's id; with several keys, each with its header.
func keysText(keys []observed.Key) string {
	if len(keys) == 1 {
		return quoted(keys[0].Value)
	}
	var texts []string
	for _, k := range keys {
		texts = append(texts, k.Header+"="+quoted(k.Value))
	}
	return strings.Join(texts, " ")
}

// quoted returns text as it is, or in quotes where its beginning or end would be
// unclear.
func quoted(text string) string {
	if q := fmt.Sprintf("%q", text); q[1:len(q)-1] != text || strings.Contains(text, " ") {
		return q
	}
	return text
}

func userCount(n int64) string { return words.Count(n, "user", "users") }

// firstOf returns a remark that a list is not complete, or "" if it is.
func firstOf(shown int, all int64) string {
	if int64(shown) == all {
		return ""
	}
	return fmt.Sprintf(" (the first %d)", shown)
}
