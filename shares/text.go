package shares

import (
	"fmt"

	"github.com/tagproc/tagproc/internal/terminal"
)

// WriteText writes d for people.
func WriteText(t *terminal.Writer, d *Diff) error {
	for i := range d.Comparisons {
		writeComparison(t, &d.Comparisons[i])
	}
	t.Printf("%s of users change a tag\n", terminal.Bold.Textf("%s", d.Moves))
	for _, note := range d.Notes {
		t.Printf("%s\n", note)
	}
	return t.Err()
}

func writeComparison(t *terminal.Writer, c *Comparison) {
	t.Printf("%s: %s\n  %s\n", terminal.Bold.Textf("%s", c.TagHeader), c.title(), terminal.Faint.Textf("%s", c.Why))
	for _, m := range c.Moves {
		if m.From != m.To {
			t.Printf("  %s → %s  %s\n", tagText(m.From), tagText(m.To), m.Share)
		}
	}
}

func (c *Comparison) title() string {
	switch b, a := c.Before, c.After; {
	case b == nil:
		return fmt.Sprintf("rule %s by %s, where no rule decided", a.Rule, a.Key)
	case a == nil:
		return fmt.Sprintf("no rule, where rule %s decided by %s", b.Rule, b.Key)
	case b.Rule == a.Rule && b.Key == a.Key:
		return fmt.Sprintf("rule %s by %s", a.Rule, a.Key)
	default:
		return fmt.Sprintf("rule %s by %s, then rule %s by %s", b.Rule, b.Key, a.Rule, a.Key)
	}
}

func tagText(tag string) string {
	if tag == "" {
		return "no tag"
	}
	return tag
}
