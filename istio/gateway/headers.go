package gateway

import (
	"slices"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/rules"
)

// headers is what Envoy has to know of the rules. Names are in lower case, as
// Envoy has them.
type headers struct {
	keys     []string // sorted, as the names of owned are
	owned    rules.Owned
	declared bool     // owned is more than what the rules happen to write
	trusted  bool     // clients may set owned headers
	carriers []string // headers that tags travel in beside their own, and that are shared with others
}

func headersOf(t *rules.Table) headers {
	h := headers{owned: t.Owned(), declared: t.DeclaresTagHeaders(), trusted: t.TrustClientTags()}
	for _, k := range t.Keys() {
		h.keys = append(h.keys, k.Name)
	}
	slices.Sort(h.keys) // the order of the rules is none of Envoy's business
	if !t.Propagated().IsZero() {
		h.carriers = []string{contract.Baggage}
	}
	return h
}

// forwarded matches the headers that tagproc is sent: keys first, then the owned
// ones, without which it could not remove a forged one.
func (h headers) forwarded() []*matcherv3.StringMatcher {
	return slices.Concat(
		envoyfilter.Patterns(rules.Owned{Headers: h.keys}),
		envoyfilter.Patterns(h.owned),
		envoyfilter.Patterns(rules.Owned{Headers: h.carriers}),
	)
}

// mutable is the regular expression that a header which tagproc may change matches
// as a whole.
func (h headers) mutable() string { return envoyfilter.Expression(h.owned, h.carriers...) }

// stripped removes what clients must not send: the owned headers, unless they are
// trusted with these, and whole baggage if that is wanted. No key is among the owned
// headers, which [rules.Compile] holds.
func (h headers) stripped(wholeBaggage bool) (mutations []*mutationv3.HeaderMutation) {
	owned := h.owned
	if h.trusted {
		owned = rules.Owned{}
	}
	names := owned.Headers
	if wholeBaggage {
		names = append(slices.Clone(names), contract.Baggage)
	}
	for _, name := range names {
		mutations = append(mutations, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Remove{Remove: name}})
	}
	for _, p := range owned.Prefixes {
		mutations = append(mutations, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_RemoveOnMatch_{
			RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{KeyMatcher: envoyfilter.Prefix(p)},
		}})
	}
	return mutations
}
