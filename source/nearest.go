package source

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// maxCandidate is the length, in bytes, above which a word has no suggestion.
const maxCandidate = 256

// Nearest returns the candidate that got most likely misspells, or "": among equally
// near ones the first. One letter may differ, from five letters on two (which two that are
// swapped are), in long words a fifth of them.
// A candidate equal to got is skipped.
func Nearest(got string, candidates []string) string {
	if len(got) > maxCandidate {
		return ""
	}
	most := 1
	if len(got) >= 5 {
		most = max(2, len(got)/5)
	}
	best, bestDistance := "", most+1
	for _, c := range candidates {
		if c == got {
			continue
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(got), strings.ToLower(c)); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// DidYouMean returns the part of a message that offers a candidate: "" for "".
func DidYouMean(candidate string) string {
	if candidate == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", candidate)
}
