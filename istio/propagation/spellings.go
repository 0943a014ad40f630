package propagation

import (
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/rules"
)

// spellingsFilter is the name of the filter that removes other spellings of tags.
const spellingsFilter = contract.HopFilter + "spellings"

// addSpellings has sidecars remove the headers of o, outbound, in other spellings than
// their own. It is Envoy's own filter that does it, whichever data path carries the tags.
func addSpellings(f *envoyfilter.Filter, o rules.Owned) error {
	config := &headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{}}
	for _, expression := range envoyfilter.Misspelled(o) {
		config.Mutations.RequestMutations = append(config.Mutations.RequestMutations, &mutationv3.HeaderMutation{
			Action: &mutationv3.HeaderMutation_RemoveOnMatch_{RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{KeyMatcher: envoyfilter.Regex(expression)}},
		})
	}
	if len(config.Mutations.RequestMutations) == 0 {
		return nil
	}
	filter, err := envoyfilter.HTTPFilter(spellingsFilter, config)
	if err != nil {
		return err
	}
	f.Patches = append(f.Patches, envoyfilter.First(envoyfilter.Outbound, filter,
		"Outbound: tags in other spellings go. Servers that hand headers on as environment\nvariables (CGI, WSGI, PHP, Rack) read x_asm_prefer_tag as the tag."))
	return nil
}
