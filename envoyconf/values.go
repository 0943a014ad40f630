package envoyconf

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// An Answer is what the model says to a question.
type Answer uint8

// The answers.
const (
	No    Answer = iota
	Maybe        // it cannot be told
	Yes
)

// A Verdict is an answer and its reason; Yes needs none.
type Verdict struct {
	Answer
	Why string
}

var yes = Verdict{Yes, ""}

func no(format string, args ...any) Verdict { return Verdict{No, fmt.Sprintf(format, args...)} }

func maybe(format string, args ...any) Verdict { return Verdict{Maybe, fmt.Sprintf(format, args...)} }

// and returns the verdict on both: a No counts before a Maybe.
func (v Verdict) and(other Verdict) Verdict {
	if other.Answer < v.Answer {
		return other
	}
	return v
}

// said returns the verdict of a comparison, with a reason for No.
func said(holds bool, format string, args ...any) Verdict {
	if holds {
		return yes
	}
	return no(format, args...)
}

// fullMatch compares a text as a whole with a regular expression of RE2.
func fullMatch(expression, text string) (bool, *Verdict) {
	re, err := regexp.Compile(`\A(?:` + expression + `)\z`)
	if err != nil {
		v := maybe("the regular expression %q is not readable here", expression)
		return false, &v
	}
	if !utf8.ValidString(text) {
		v := maybe("%q is not UTF-8, and regular expressions read it byte by byte", text)
		return false, &v
	}
	return re.MatchString(text), nil
}

// text compares a text with a StringMatcher; it is called what in reasons.
func text(what, got string, m *matcherv3.StringMatcher) Verdict {
	fold := func(s string) string { return s }
	if m.GetIgnoreCase() {
		fold = lower
	}
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return said(fold(got) == fold(p.Exact), "%s is %q, not %q", what, got, p.Exact)
	case *matcherv3.StringMatcher_Prefix:
		return said(strings.HasPrefix(fold(got), fold(p.Prefix)), "%s is %q and does not begin with %q", what, got, p.Prefix)
	case *matcherv3.StringMatcher_Suffix:
		return said(strings.HasSuffix(fold(got), fold(p.Suffix)), "%s is %q and does not end in %q", what, got, p.Suffix)
	case *matcherv3.StringMatcher_Contains:
		return said(strings.Contains(fold(got), fold(p.Contains)), "%s is %q and does not contain %q", what, got, p.Contains)
	case *matcherv3.StringMatcher_SafeRegex:
		holds, open := fullMatch(p.SafeRegex.GetRegex(), got)
		if open != nil {
			return *open
		}
		return said(holds, "%s is %q and does not match %q", what, got, p.SafeRegex.GetRegex())
	default:
		return maybe("%s is compared by something that is not modelled", what)
	}
}

// header judges a match on a header.
func (r *Request) header(m *routev3.HeaderMatcher) Verdict {
	name := strings.ToLower(m.GetName())
	values, open := r.values(name)
	if open != "" {
		return maybe("%s", open)
	}
	got, present := strings.Join(values, ","), len(values) > 0
	switch s := m.GetHeaderMatchSpecifier().(type) {
	case *routev3.HeaderMatcher_PresentMatch:
		return presence(name, got, present, s.PresentMatch, m)
	case nil:
		return presence(name, got, present, true, m)
	}
	if !present && !m.GetTreatMissingHeaderAsEmpty() {
		if m.GetStringMatch().GetExact() != "" && !m.GetInvertMatch() {
			return no("there is no header %s; expected %q", name, m.GetStringMatch().GetExact())
		}
		return no("there is no header %s", name)
	}
	v := headerValue(name, got, m)
	if len(values) > 1 && severalOpen(name, values, m, v) {
		return maybe("%s comes %d times: older releases compare the values joined, newer ones each of them", name, len(values))
	}
	if !m.GetInvertMatch() || v.Answer == Maybe {
		return v
	}
	return said(v.Answer == No, "%s is %q, which the inverted match refuses", name, got)
}

// severalOpen reports whether releases of Envoy differ on a header with several values. v
// is the verdict on the values joined by commas, which 1.36.4 compares; 1.40.0 compares
// each value, and cookies of HTTP/2 are joined by semicolons.
func severalOpen(name string, values []string, m *routev3.HeaderMatcher, v Verdict) bool {
	each := no("")
	for _, value := range values {
		if one := headerValue(name, value, m); one.Answer > each.Answer {
			each = one
		}
	}
	return each.Answer != v.Answer || name == "cookie" && headerValue(name, strings.Join(values, "; "), m).Answer != v.Answer
}

// presence judges a match on whether a header is there.
func presence(what, got string, present, wanted bool, m *routev3.HeaderMatcher) Verdict {
	if m.GetTreatMissingHeaderAsEmpty() {
		present = true
	}
	if (present == wanted) != m.GetInvertMatch() {
		return yes
	}
	if present {
		return no("there is a header %s: %q", what, got)
	}
	return no("there is no header %s", what)
}

// headerValue compares the value of a header.
//
//nolint:staticcheck // configurations have the deprecated ones
func headerValue(what, got string, m *routev3.HeaderMatcher) Verdict {
	switch s := m.GetHeaderMatchSpecifier().(type) {
	case *routev3.HeaderMatcher_StringMatch:
		return text(what, got, s.StringMatch)
	case *routev3.HeaderMatcher_ExactMatch:
		return said(s.ExactMatch == "" || got == s.ExactMatch, "%s is %q, not %q", what, got, s.ExactMatch)
	case *routev3.HeaderMatcher_PrefixMatch:
		return text(what, got, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: s.PrefixMatch}})
	case *routev3.HeaderMatcher_SuffixMatch:
		return text(what, got, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: s.SuffixMatch}})
	case *routev3.HeaderMatcher_ContainsMatch:
		return text(what, got, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Contains{Contains: s.ContainsMatch}})
	case *routev3.HeaderMatcher_SafeRegexMatch:
		return text(what, got, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: s.SafeRegexMatch}})
	case *routev3.HeaderMatcher_RangeMatch:
		n, err := strconv.ParseInt(strings.TrimSpace(got), 10, 64)
		start, end := s.RangeMatch.GetStart(), s.RangeMatch.GetEnd()
		return said(err == nil && start <= n && n < end, "%s is %q, not a number from %d to below %d", what, got, start, end)
	default:
		return maybe("%s is compared by something that is not modelled", what)
	}
}

// parameter judges a match on a parameter of the query: of several the first counts.
func (r *Request) parameter(m *routev3.QueryParameterMatcher) Verdict {
	what := "the parameter " + m.GetName()
	got, present := "", false
	if _, query, ok := strings.Cut(r.Path, "?"); ok {
		for p := range strings.SplitSeq(query, "&") {
			if name, value, _ := strings.Cut(p, "="); name == m.GetName() {
				got, present = value, true
				break
			}
		}
	}
	switch s := m.GetQueryParameterMatchSpecifier().(type) {
	case *routev3.QueryParameterMatcher_StringMatch:
		if !present {
			return no("there is no %s", strings.TrimPrefix(what, "the "))
		}
		return text(what, got, s.StringMatch)
	case *routev3.QueryParameterMatcher_PresentMatch:
		return said(present == s.PresentMatch, "%s is there: %t", what, present)
	default:
		return said(present, "there is no %s", strings.TrimPrefix(what, "the "))
	}
}
