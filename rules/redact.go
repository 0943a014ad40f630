package rules

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/tagproc/tagproc/source"
)

// Redact returns p without ids of users, which a file has under overrides, and, where keys
// are misspelt, indented wrongly or not closed, in any place. For what is neither prose nor
// a word of the language dots stand in its line, so that columns stay, and … in messages
// of the kinds that quote whatever they find. Other kinds quote names of headers, tags and
// rules where these belong.
func Redact(p source.Problem) source.Problem {
	p.Source = aWord().ReplaceAllStringFunc(p.Source, func(word string) string {
		if isWord(word) {
			return word
		}
		return strings.Repeat("·", len([]rune(word)))
	})
	if !slices.Contains(named, p.Kind) {
		p.Message = quoted().ReplaceAllStringFunc(p.Message, func(text string) string {
			if isWord(strings.Trim(text, `"`)) {
				return text
			}
			return text[:1] + "…" + strings.TrimPrefix(text[:1], "*")
		})
		p.Message = number().ReplaceAllString(p.Message, "$1 …")
	}
	return p
}

// named are the kinds whose messages quote what cannot be the id of a user.
var named = []source.Kind{
	KindEnvelope, KindName, KindForbiddenHeader, KindKeyIsTag, KindUndeclaredTag, KindTooManyTagHeaders, KindModulo, KindRange, KindHash,
	KindSalt, KindMode, KindNoPolicies, KindPropagation, KindRamp, KindExclusive, KindNotForwarded,
	KindUnreachable, KindUnstickyKey, KindTagName, KindSameCohort,
}

var (
	// aWord is what stands between blanks and the signs of YAML.
	aWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("[^\\s{}\\[\\],:\"'#\ufffd-]+") })
	// quoted and number are what messages have of a file.
	quoted = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'[^'\s,\]]+'|\*[^\s*]+`) })
	number = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(the number|: write) [+.-]?\d[^\s,;"]*`) })
)

// isWord reports whether text is a word of the language.
func isWord(text string) bool { return words()[text] }

// words are the keys that a rules file may have, and the words that their values may be.
var words = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{"true": true, "false": true, "null": true}
	var add func(s *source.Shape)
	add = func(s *source.Shape) {
		if s == nil {
			return
		}
		for _, f := range s.Fields {
			all[f.Name] = true
			add(f.Shape)
		}
		for _, w := range s.Words {
			all[w] = true
		}
		add(s.Elements)
	}
	add(shape())
	return all
})
