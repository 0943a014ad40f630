package rules

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest returns the candidate that got is most likely a misspelling of, or "".
func nearest(got string, candidates []string) string {
	if len(got) > maxNameLength {
		return ""
	}
	best, bestDistance := "", max(2, len(got)/3)+1
	for _, c := range candidates {
		d := levenshtein.ComputeDistance(strings.ToLower(got), strings.ToLower(c))
		if d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// didYouMean returns the part of a message that offers a candidate, if there is
// one.
func didYouMean(candidate string) string {
	if candidate == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", candidate)
}

// fieldNames returns the names of the fields that a file may use.
func fieldNames(fields []field) []string {
	var ns []string
	for _, f := range fields {
		if !f.reserved {
			ns = append(ns, f.name)
		}
	}
	return ns
}

// names lists the names of fields for a message.
func names(fields []field) string { return strings.Join(fieldNames(fields), ", ") }
