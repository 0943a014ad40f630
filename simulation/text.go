package simulation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/words"
)

// WriteText writes r for people. ids says whose ids were counted.
func WriteText(t *terminal.Writer, ids string, r *Report) error {
	t.Printf("%s\n", terminal.Bold.Textf("%s: %s", ids, words.Count(r.People, "person", "people")))
	for i := range r.Rules {
		writeRule(t, &r.Rules[i])
	}
	writeOverlaps(t, r)
	t.Printf("\n%s\n", conclusion(r))
	t.Printf("rules digest %s\n", r.RulesDigest)
	return t.Err()
}

// conclusion is what r says in a line.
func conclusion(r *Report) terminal.Text {
	var skewed []string
	shares := 0
	for _, rule := range r.Rules {
		shares += len(rule.Shares)
		for _, s := range rule.Shares {
			if s.Verdict == Skewed {
				skewed = append(skewed, fmt.Sprintf("%s of rule %s", words.Tag(s.Tag), rule.Name))
			}
		}
	}
	switch {
	case shares == 0:
		return terminal.Alarm.Textf("no bucket decides for anybody")
	case skewed != nil:
		return terminal.Alarm.Textf("skewed: %s", strings.Join(skewed, ", "))
	default:
		return terminal.Bold.Textf("no share is skewed")
	}
}

func writeRule(t *terminal.Writer, r *Rule) {
	mode := ""
	if r.Mode != "enforce" {
		mode = " (" + r.Mode + ")"
	}
	salt := ""
	if r.Salt != "" {
		salt = fmt.Sprintf(" with salt %q", r.Salt)
	}
	match := ""
	if r.Match != "" {
		match = ", for " + r.Match
	}
	t.Printf("\n%s%s: %s by %s, %s%s, %s%s\n", terminal.Bold.Textf("rule %s", r.Name), mode, r.TagHeader, strings.Join(r.Keys, " or "), r.Hash, salt, words.Count(int64(r.Modulo), "bucket", "buckets"), match)
	if r.Named > 0 {
		t.Printf("  %s named by overrides, and not counted here\n", words.Count(r.Named, "person is", "people are"))
	}
	if len(r.Shares) == 0 {
		t.Printf("  nobody is left whose bucket decides\n")
		return
	}
	t.Table(func(t *terminal.Writer) {
		t.Printf("  tag\texpected\tobserved\tinterval\n")
		for _, s := range r.Shares {
			t.Printf("  %s\t%7.3f%%\t%7.3f%%\t%7.3f%% to %7.3f%%\t%s\t%s\n", words.Tag(s.Tag), s.Expected, s.Observed, s.Low, s.High, bar(s.Observed), verdictText(s))
		}
	})
	if r.Spread != nil {
		t.Printf("  %s\n", spreadText(r))
	}
}

// barWidth is how many characters a bar of 100% has.
const barWidth = 30

// bar returns a share as a bar. Each character shows eight steps.
func bar(percent float64) string {
	eighths := int(percent/100*8*barWidth + 0.5)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text + strings.Repeat("░", barWidth-(eighths+7)/8)
}

func verdictText(s Share) string {
	switch s.Verdict {
	case Skewed:
		return fmt.Sprintf("SKEWED by %+.3f points", s.Observed-s.Expected)
	case Uneven:
		return fmt.Sprintf("off by %+.3f points, more than by chance, less than matters", s.Observed-s.Expected)
	default:
		return "as expected"
	}
}

// spreadText says how evenly the people of a rule are spread over its buckets.
func spreadText(r *Rule) string {
	s := r.Spread
	test := func(t Test) string {
		return fmt.Sprintf("chi-square %.1f, %s of freedom, p = %.3g", t.ChiSquare, words.Count(int64(t.Degrees), "degree", "degrees"), t.P)
	}
	if s.Even {
		return fmt.Sprintf("%s spreads these ids over the buckets at least as evenly as chance (%s)", r.Hash, test(s.Test))
	}
	text := fmt.Sprintf("%s spreads these ids over the buckets worse than chance (%s)", r.Hash, test(s.Test))
	switch {
	case s.XXH3 == nil:
	case s.XXH3.Even:
		text += fmt.Sprintf("; xxh3 does not (%s)", test(*s.XXH3))
	default:
		text += fmt.Sprintf("; so does xxh3 (%s): are the ids different?", test(*s.XXH3))
	}
	return text
}

// writeOverlaps writes a matrix of all tags.
func writeOverlaps(t *terminal.Writer, r *Report) {
	var members []Member
	type pair struct{ a, b Member }
	cells := map[pair]string{}
	add := func(m Member) {
		if !slices.Contains(members, m) {
			members = append(members, m)
		}
	}
	for _, o := range r.Overlaps {
		add(o.A)
		add(o.B)
		cells[pair{o.A, o.B}] = kinshipText(o.Verdict, o.OfA)
		cells[pair{o.B, o.A}] = kinshipText(o.Verdict, o.OfB)
	}
	if members == nil {
		return
	}
	t.Printf("\n%s\n", terminal.Bold.Textf("who has two tags: of the people of a line, those who have the tag of the column too"))
	t.Table(func(t *terminal.Writer) {
		for _, m := range members {
			t.Printf("\t%s", m)
		}
		t.Printf("\n")
		for _, a := range members {
			t.Printf("  %s", a)
			for _, b := range members {
				cell, known := cells[pair{a, b}]
				if !known {
					cell = "·"
				}
				t.Printf("\t%s", cell)
			}
			t.Printf("\n")
		}
	})
	if r.NotCompared > 0 {
		t.Printf("  %s compared: only the first %d are\n", words.Count(int64(r.NotCompared), "tag is not", "tags are not"), maxCohorts)
	}
}

func kinshipText(k Kinship, percent float64) string {
	switch k {
	case Same:
		return "the same people"
	case Independent:
		return "independent (" + words.Percent(percent, 1) + ")"
	case Disjoint:
		return "nobody"
	case Unknown:
		return "cannot tell"
	default:
		return words.Percent(percent, 1)
	}
}
