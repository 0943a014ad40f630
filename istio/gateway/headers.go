package gateway

import (
	"slices"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/rules"
)

// headers is what Envoy must know about the rules. Names are in lower case, as in Envoy.
type headers struct {
	keys       []string // sorted, as the names of owned are
	owned      rules.Owned
	declared   bool // owned is more than what the rules happen to write
	trusted    bool // clients may set owned headers
	propagated rules.Owned
	onlyKeys   bool     // keys are nothing but headers that hold users' ids
	visitors   int      // how many cookies of visitors there are
	carriers   []string // headers that tags travel in beside their own, and that are shared with others
}

// jaegerBaggage has members that Jaeger's libraries take for baggage. It is set by hand,
// for debugging.
const jaegerBaggage = "jaeger-baggage"

// carrier matches the beginnings of headers that carry one member of baggage each, such
// as those of Jaeger and OpenTracing.
const carrier = "((ot" + contract.Separator + ")?baggage|uberctx)" + contract.Separator

func headersOf(t *rules.Table) headers {
	h := headers{owned: t.Owned(), declared: t.DeclaresTagHeaders(), trusted: t.TrustClientTags(), visitors: len(t.Visitors())}
	h.onlyKeys = !slices.ContainsFunc(t.Forwarded(), func(name string) bool {
		return !slices.Contains(t.Keys(), rules.Key{Source: rules.KeyHeader, Name: name})
	})
	h.keys = t.Forwarded() // sorted: Envoy does not depend on the order of the rules
	if h.propagated = t.Propagated(); !h.propagated.IsZero() {
		h.carriers = []string{contract.Baggage, contract.CorrelationContext}
	}
	return h
}

// forwarded matches the headers that tagproc is sent: keys first, then the owned
// ones, without which it could not remove a forged one.
func (h headers) forwarded() []*matcherv3.StringMatcher {
	var patterns []*matcherv3.StringMatcher
	for _, name := range h.keys {
		patterns = append(patterns, envoyfilter.Exact(name))
	}
	patterns = append(patterns, envoyfilter.Patterns(h.owned)...)
	for _, name := range h.carriers {
		patterns = append(patterns, envoyfilter.Exact(name))
	}
	return patterns
}

// mutable returns the regular expression that matches, as a whole, the headers that
// tagproc may change.
func (h headers) mutable() string { return envoyfilter.Expression(h.owned, h.carriers...) }

// Stripped matches the headers of clients that are removed before any route is chosen:
// those of the tags, and of baggage that carries them, or all baggage.
func Stripped(t *rules.Table, wholeBaggage bool) []*matcherv3.StringMatcher {
	return headersOf(t).stripped(wholeBaggage)
}

// stripped matches what clients must not send: the owned headers, unless they are
// trusted with these, headers that carry a member of a propagated name, and all that
// may have baggage if that is wanted. No key is among them, which [rules.Compile]
// holds.
func (h headers) stripped(wholeBaggage bool) (matchers []*matcherv3.StringMatcher) {
	remove := func(m *matcherv3.StringMatcher) { matchers = append(matchers, m) }
	if !h.trusted {
		matchers = envoyfilter.Patterns(h.owned)
	}
	switch {
	case wholeBaggage:
		remove(envoyfilter.Regex(contract.Baggage + "|" + envoyfilter.Spelled(contract.CorrelationContext) + "|" + envoyfilter.Spelled(jaegerBaggage)))
		remove(envoyfilter.Regex(carrier + ".*"))
	case h.trusted || h.propagated.IsZero():
	default:
		// As it is usually spelt tagproc cleans it; folded it would be the same to
		// applications.
		remove(envoyfilter.Regex("correlation[^a-z0-9-]context|" + envoyfilter.Spelled(jaegerBaggage)))
		for _, name := range h.propagated.Headers {
			remove(envoyfilter.Regex(carrier + envoyfilter.Spelled(name)))
		}
		for _, p := range h.propagated.Prefixes {
			remove(envoyfilter.Regex(carrier + envoyfilter.Spelled(p) + ".*"))
		}
	}
	return matchers
}
