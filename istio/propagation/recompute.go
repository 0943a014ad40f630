package propagation

import (
	"errors"
	"fmt"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/lua"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// Recompute returns the EnvoyFilter with which sidecars derive tags again by the
// rules of t, called tagproc-recompute unless options have another name. Errors are
// about options, and each begins with the option's name as a flag; or say what of
// the rules sidecars cannot do.
func Recompute(t *rules.Table, o Options) (*manifest.Object, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	if err := checkRecompute(t); err != nil {
		return nil, err
	}
	var tree *manifest.Tree
	if o.DataPath == ExtProc {
		tree, err = extProcFilter(contract.Recompute, recomputeCluster, envoyfilter.Expression(t.Owned()))
	} else if source, failed := lua.Recompute(t); failed != nil {
		err = failed
	} else {
		tree, err = luaFilter(contract.Recompute, source)
	}
	if err != nil {
		return nil, err
	}
	filter := s.filter(recomputeName, "", nil)
	filter.Comment = s.recomputePurpose(t)
	filter.Patches = []envoyfilter.Patch{envoyfilter.First(envoyfilter.Outbound, tree, "Outbound: the rules decide."+first)}
	if err := addSpellings(filter, t.Owned()); err != nil {
		return nil, err
	}
	if err := s.addCluster(filter, recomputeCluster); err != nil {
		return nil, err
	}
	return filter.Object(), nil
}

// recomputeName is the name of the object, unless options have another.
const recomputeName = "tagproc-recompute"

// checkRecompute returns an error for what sidecars cannot do of the rules.
func checkRecompute(t *rules.Table) error {
	if len(lua.Enforced(t)) == 0 {
		return errors.New("no rule is enforced, so there is nothing to derive: add one, or set its mode to enforce")
	}
	return onlyAtGateway(t)
}

// onlyAtGateway returns an error for what rules say of requests as they reach the
// gateway: an application that calls the next one has another host, path and query,
// and gives nobody a cookie.
func onlyAtGateway(t *rules.Table) error {
	var errs []error
	refuse := func(rule, what string) {
		errs = append(errs, fmt.Errorf("rule %s %s; let its tags travel instead: tagproc render propagation", rule, what))
	}
	for _, r := range lua.Enforced(t) {
		for _, k := range r.Keys {
			switch k.Source {
			case rules.KeyQuery:
				refuse(r.Name, "has the key "+k.String()+", which requests between applications do not have")
			case rules.KeyVisitor:
				refuse(r.Name, "has the key "+k.String()+", which the gateway alone gives")
			}
		}
		if len(r.Match.Hosts) > 0 {
			refuse(r.Name, "matches hosts, and requests between applications have others")
		}
		if len(r.Match.Paths) > 0 {
			refuse(r.Name, "matches paths, and requests between applications have others")
		}
	}
	return errors.Join(errs...)
}

// recomputePurpose says what the object is for, and what it costs.
func (s *settings) recomputePurpose(t *rules.Table) string {
	text := "Sidecars derive the tags again from the user's id, before the route is chosen, for\n" +
		"applications that forward the id and no tags. A tag that is in the request stays.\n\n"
	if s.DataPath == ExtProc {
		return text + "The rules are those of tagproc at the socket: every one has to have the file of the\n" +
			"gateway's, or hops disagree. It follows from the headers that the rules read and\n" +
			"may write; an edit of ratios or users changes nothing here."
	}
	text += "The rules with the digest " + t.Digest() + " are part of it, and so of the configuration\n" +
		"of every sidecar: after every edit of them render and apply it again, beside the\n" +
		"gateway's. It reaches the sidecars one by one. Until all have it, hops may disagree on\n" +
		"users whom the edit moves, and requests of these may meet versions mixed."
	for _, r := range lua.Enforced(t) {
		if len(r.Overrides) > 0 {
			return text + "\n\nThe ids of named users stand in it, for everybody who may read configurations of\nsidecars."
		}
	}
	return text
}

// RecomputeWarnings returns what an operator should know before they apply the
// EnvoyFilter of these rules.
func RecomputeWarnings(t *rules.Table, d DataPath) (warnings []string) {
	if d != Lua {
		return nil
	}
	if source, err := lua.Recompute(t); err == nil && len(source) > lua.RecommendedSize {
		warnings = append(warnings, fmt.Sprintf("the rules are %d KiB of Lua, which istiod sends to every sidecar and each of its threads holds; name fewer users, or use --data-path=%s", len(source)>>10, ExtProc))
	}
	return warnings
}
