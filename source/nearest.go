package source

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// maxCandidate is the length from which a word is no misspelling, in bytes.
const maxCandidate = 256

// Nearest returns the candidate that got is most likely a misspelling of, or "".
func Nearest(got string, candidates []string) string {
	if len(got) > maxCandidate {
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

// DidYouMean returns the part of a message that offers a candidate, if there is
// one.
func DidYouMean(candidate string) string {
	if candidate == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", candidate)
}
