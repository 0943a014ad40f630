package lint

import (
	"fmt"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// DidYouMean returns the end of a message that offers the nearest candidate, or "".
// Two letters are too few to be a misspelling: s1 is not s2 misspelt.
func DidYouMean(got string, candidates []string) string {
	if n := source.Nearest(got, candidates); len(n) > 2 || len(n) != len(got) {
		return source.DidYouMean(n)
	}
	return ""
}

// thereIs returns the end of a message that names the route with the nearest value, or "".
func thereIs(missed string, routes []string) string {
	if n := source.Nearest(missed, routes); n != "" {
		return fmt.Sprintf(" (there is a route for %q)", n)
	}
	return ""
}

// fix returns what to do by the words of who wrote what is wrong: a person Envoy's
// configuration, or one manifests.
func (m *Model) fix(own, manifests string) string {
	if m.Manifests {
		return manifests
	}
	return own
}

// name returns what a side is called in messages.
func (m *Model) name(s *Side) string {
	if s.Patches || m.Manifests {
		return "the EnvoyFilter"
	}
	return "the configuration of Envoy"
}

// render returns the command that makes a side.
func (m *Model) render(s *Side) string {
	if s.Patches || m.Manifests {
		return "tagproc render envoyfilter"
	}
	return "tagproc render envoy"
}

// renderAgain returns what to do where a side does not fit the rules.
func (m *Model) renderAgain(s *Side) string {
	return "render " + m.name(s) + " again: " + m.render(s)
}

func lower(name string) string { return strings.ToLower(name) }
