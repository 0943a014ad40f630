package propagation

import (
	"cmp"
	"errors"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/lua"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

var errNoSelector = errors.New("--as trafficextension: expected --selector, a label that no gateway has: without it gateways of the namespace would make tags of what clients send, for a TrafficExtension is not for sidecars alone, as an EnvoyFilter is")

// PropagationExtensions returns the TrafficExtensions that do what the EnvoyFilter of
// [Propagation] does: one, and with Options.Inbound another one, whose name ends in
// -collect. Errors are as those of Propagation.
func PropagationExtensions(s *Scope, o Options) ([]*manifest.Object, error) {
	set, err := o.settings()
	if err != nil {
		return nil, err
	}
	if o.DataPath != Lua {
		return nil, envoyfilter.ErrExtensionIsLua
	}
	program, err := restoreSource(s.Headers)
	if err != nil {
		return nil, err
	}
	e := set.extension(s.Name, s.Namespace, s.Selector)
	if len(e.Selector) == 0 {
		return nil, errNoSelector
	}
	e.Comment, e.About = set.propagationPurpose()+extensionNote, "Outbound: members become headers."
	first, err := outbound(e, program, s.Headers)
	if err != nil {
		return nil, err
	}
	if !o.Inbound {
		return []*manifest.Object{first}, nil
	}
	collect := set.extension(s.Name, s.Namespace, s.Selector)
	collect.Name += "-" + contract.Collect.String()
	collect.Comment, collect.About, collect.Side = "Inbound, sidecars make members of the header baggage of tags.", "Inbound: headers become members, behind authentication.", envoyfilter.InboundSide
	if collect.Lua, err = collectSource(s.Headers); err != nil {
		return nil, err
	}
	second, err := collect.Object()
	if err != nil {
		return nil, err
	}
	return []*manifest.Object{first, second}, nil
}

// RecomputeExtension returns the TrafficExtension that does what the EnvoyFilter of
// [Recompute] does. Errors are as those of Recompute.
func RecomputeExtension(t *rules.Table, o Options) (*manifest.Object, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	if o.DataPath != Lua {
		return nil, envoyfilter.ErrExtensionIsLua
	}
	if err := checkRecompute(t); err != nil {
		return nil, err
	}
	program, err := lua.Recompute(t)
	if err != nil {
		return nil, err
	}
	e := s.extension(recomputeName, "", nil)
	if len(e.Selector) == 0 {
		return nil, errNoSelector
	}
	e.Comment, e.About = s.recomputePurpose(t)+extensionNote, "Outbound: the rules decide."
	return outbound(e, program, t.Owned())
}

// extensionNote says what is otherwise than with an EnvoyFilter.
const extensionNote = "\n\nFor Istio 1.30 and newer. Filters that stand before it, such as those that exchange\nmetadata of workloads, see the route that is chosen without the tag."

// extension returns a TrafficExtension of sidecars, without a program.
func (s *settings) extension(name, namespace string, selector map[string]string) envoyfilter.Extension {
	if len(s.selector) > 0 {
		selector = s.selector
	}
	return envoyfilter.Extension{
		Name: cmp.Or(s.Name, name), Namespace: cmp.Or(s.Namespace, namespace, defaultNamespace),
		Selector: selector, Selected: "The pods whose sidecars do it; no gateway, which would take it too.",
	}
}

// outbound returns e with a program that runs first for requests that pods send, and
// that removes tags of o in other spellings before.
func outbound(e envoyfilter.Extension, program string, o rules.Owned) (*manifest.Object, error) {
	e.Side, e.First, e.Lua = envoyfilter.OutboundSide, true, program
	if len(envoyfilter.Misspelled(o)) > 0 {
		var err error
		if e.Lua, err = lua.WithoutMisspelled(program, o); err != nil {
			return nil, err
		}
	}
	return e.Object()
}
