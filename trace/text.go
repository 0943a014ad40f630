package trace

import (
	"fmt"
	"strings"

	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/terminal"
)

// WriteText writes the way for people: each hop, and for each why the request takes this
// route there and no other.
func WriteText(t *terminal.Writer, w *Way) error {
	for i, h := range w.Hops {
		if i > 0 {
			t.Printf("\n")
		}
		t.Printf("%s %s\n", terminal.Bold.Textf("%s", h.Name), terminal.Faint.Textf("%s", strings.TrimPrefix(fmt.Sprintf("%s, %s", h.Listener.Name, h.Listener.At), ", ")))
		t.Labelled("request", "%s %s%s", h.Request.Method, h.Request.Authority, h.Request.Path)
		writeTagproc(t, h.Tagproc)
		if h.Host != nil {
			t.Labelled("host", "%s by the domain %s, %s", h.Host.Name, h.Host.Domain, h.Host.At)
		}
		for _, p := range h.Passed {
			label := "not"
			if p.Maybe {
				label = "maybe"
			}
			t.Labelled(label, "route %s, %s: %s", p.Name, p.At, p.Why)
		}
		if h.Route != nil {
			t.Labelled("route", "%s, %s", terminal.Bold.Textf("%s", h.Route.Name), h.Route.At)
		}
		for _, later := range h.Behind {
			t.Labelled("behind", "route %s, %s, would take it too, and gets no request: it stands behind %s", later.Name, later.At, h.Route.Name)
		}
		writeEnd(t, h)
		for _, what := range h.CannotTell {
			t.Labelled("open", "%s", what)
		}
		if len(h.NotChecked) > 0 {
			t.Labelled("unknown", "filters whose effect is not modelled: %s", strings.Join(h.NotChecked, ", "))
		}
	}
	return t.Err()
}

func writeTagproc(t *terminal.Writer, p *Tagproc) {
	if p == nil {
		return
	}
	if p.NotAsked != "" {
		t.Labelled("tagproc", "%s: not asked (%s)", p.NotAsked, p.Filter.At)
		return
	}
	for _, name := range p.NotSent {
		t.Labelled("tagproc", "is not sent %s (forward_rules, %s)", name, p.Filter.At)
	}
	for _, r := range p.Decision.Rules {
		note := explain.ModeNote(r)
		if r.Reason == "off" {
			note = "" // the outcome says so
		}
		t.Labelled("tagproc", "rule %s%s: %s", r.Name, note, explain.Outcome(r))
	}
	for _, name := range p.Decision.Removed {
		t.Labelled("tagproc", "%s of the client is removed or replaced", name)
	}
	for _, name := range p.Dropped {
		t.Labelled("tagproc", "may not change %s (mutation_rules, %s): Envoy leaves it as it is", name, p.Filter.At)
	}
	if p.RouteStays {
		t.Labelled("tagproc", "the route stays as it was chosen before (%s)", p.Filter.At)
	}
}

// writeEnd writes where the request goes from a hop.
func writeEnd(t *terminal.Writer, h Hop) {
	total := uint32(0)
	for _, c := range h.Clusters {
		total += c.Weight
	}
	for _, c := range h.Clusters {
		share, missing := "", ""
		if len(h.Clusters) > 1 {
			share = fmt.Sprintf(" for %d of %d requests, by chance", c.Weight, total)
		}
		if c.Missing {
			missing = ", which is not configured: requests get 503, or Envoy refuses the configuration"
		}
		t.Labelled("cluster", "%s%s%s", terminal.Bold.Textf("%s", c.Name), share, missing)
	}
	if h.Status != 0 {
		t.Labelled("answer", "%d: %s", h.Status, h.Why)
	}
}
