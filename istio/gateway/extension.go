package gateway

import (
	"errors"
	"strings"

	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/lua"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// TrafficExtension returns the TrafficExtension that makes a gateway decide by the rules of
// t in Lua, for the options that EnvoyFilter takes. It removes in Lua what an EnvoyFilter
// removes before any filter. Errors are as those of EnvoyFilter; what only an EnvoyFilter
// can say is one.
func TrafficExtension(t *rules.Table, o Options) (*manifest.Object, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	var errs []error
	if o.DataPath != Lua {
		errs = append(errs, envoyfilter.ErrExtensionIsLua)
	}
	if o.StripClientBaggage {
		errs = append(errs, errors.New("--as trafficextension: --strip-client-baggage needs an EnvoyFilter, which removes headers before any filter"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	h := headersOf(t)
	if h.owned.IsZero() {
		return nil, errNothingOwned
	}
	if h.visitors > 0 {
		return nil, errors.New("--as trafficextension: the rules give visitors cookies, which another filter writes into responses; that needs an EnvoyFilter")
	}
	program, err := lua.Gateway(t, false)
	if err == nil && !h.trusted {
		program, err = lua.WithoutTags(program, h.owned)
	}
	if err != nil {
		return nil, err
	}
	e := envoyfilter.Extension{
		Name: o.Name, Namespace: o.Namespace, Selector: s.selector, Selected: s.selected(), Target: s.target.name,
		First: o.Phase == PhaseAuthn, Lua: program,
		About: "The rules with the digest " + t.Digest() + ". Named users' ids stand in it.",
		Comment: "The " + s.target.kind.word() + " decides the tags of each request itself, by the rules in Lua. For Istio 1.30 and newer.\n\n" +
			"The rules are part of it: after every edit of them, render and apply it again.\n\n" + s.unsaid(h),
	}
	return e.Object()
}

// unsaid says what only an EnvoyFilter does.
func (s *settings) unsaid(h headers) string {
	text := "Two things only an EnvoyFilter does. It raises the limits of headers, so that tags fit\nbeside what clients send."
	if h.trusted {
		return strings.Replace(text, "Two things", "One thing", 1)
	}
	place := "authentication and\nauthorization"
	if s.Phase == PhaseAuthn {
		place = "external\nauthorization"
	}
	return text + " And it removes tags that clients forge before any filter; this\nprogram removes them where it stands, and filters before it see them, such as " + place + "."
}
