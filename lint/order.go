package lint

import (
	"fmt"
	"slices"

	headerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/source"
)

// filterOrder finds filters that stand on the wrong side of the one that asks tagproc:
// nothing comes after the router, and what reads the tag comes after tagproc writes it.
func filterOrder(m *Model, s *Side, found found) {
	router := slices.IndexFunc(s.chain, func(f *envoyconf.Filter) bool {
		_, is := f.Config.(*routerv3.Router)
		return is
	})
	asks := s.asks()
	for i, f := range s.chain {
		isOurs := slices.ContainsFunc(s.Filters, func(o *Filter) bool { return o.ExternalProcessor == f.Config }) ||
			slices.ContainsFunc(s.Writers, func(w *Writer) bool { return w.HeaderMutation == f.Config })
		switch {
		case isOurs && router >= 0 && i > router:
			found(f.Value, fmt.Sprintf("the filter %s comes after the router, which has to be the last: Envoy refuses the configuration", f.GetName()), "put it before the router")
		case isOurs || i == asks || f.Config == nil && i > asks:
		case i < asks:
			if at, header := m.reads(f); header != "" {
				found(at, fmt.Sprintf("the filter %s looks at %s, and the filter that asks tagproc comes after it (%s): it never sees the tag", f.GetName(), header, m.place(s.chain[asks].Value)),
					"put it behind the filter that asks tagproc")
			}
		default:
			m.reportOverwritten(f, found)
		}
	}
}

// asks returns the index of the last filter that asks tagproc, or -1.
func (s *Side) asks() int {
	for i, f := range slices.Backward(s.chain) {
		if slices.ContainsFunc(s.Filters, func(o *Filter) bool { return o.ExternalProcessor == f.Config }) {
			return i
		}
	}
	return -1
}

// reads returns the tag header that a filter names in its settings, and where. To remove
// it is no reading.
func (m *Model) reads(f *envoyconf.Filter) (at source.Value, header string) {
	if _, mutates := f.Config.(*headerv3.HeaderMutation); mutates {
		return at, ""
	}
	var walk func(v source.Value)
	walk = func(v source.Value) {
		switch {
		case header != "":
		case v.IsMapping():
			for _, e := range v.Entries() {
				walk(e)
			}
		case v.IsList():
			for _, e := range v.Elements() {
				walk(e)
			}
		case v.Key() != "" && m.owns(lower(v.Text())) && headerKeys[v.Key()]:
			at, header = v, lower(v.Text())
		}
	}
	walk(TypedConfig(f.Value))
	return at, header
}

// headerKeys are the fields in which filters name a header of the request to look at it.
var headerKeys = map[string]bool{"name": true, "header": true, "header_name": true, "headerName": true}

// reportOverwritten finds what a filter behind tagproc does to a tag.
func (m *Model) reportOverwritten(f *envoyconf.Filter, found found) {
	config, is := f.Config.(*headerv3.HeaderMutation)
	if !is {
		return
	}
	for i, o := range config.GetMutations().GetRequestMutations() {
		at := TypedConfig(f.Value).Get("mutations", "request_mutations", i)
		const fix = "leave it out, or put it before the filter that asks tagproc"
		if name := lower(o.GetAppend().GetHeader().GetKey()); name != "" && m.owns(name) {
			found(at, fmt.Sprintf("the filter %s writes %s after tagproc: routes see its value, or both", f.GetName(), name), fix)
		}
		if name := lower(o.GetRemove()); name != "" && m.owns(name) {
			found(at, fmt.Sprintf("the filter %s removes %s after tagproc has written it: no route sees a tag", f.GetName(), name), fix)
		}
	}
}

// lateKey finds a filter behind the one that asks tagproc that makes the key of a rule:
// tagproc sees what the client sent, or nothing.
func lateKey(m *Model, s *Side, found found) {
	asks := s.asks()
	for _, f := range s.chain[asks+1:] {
		if asks < 0 {
			return
		}
		report := func(at source.Value, header string) {
			if header = lower(header); header != "" && m.isKey(header) {
				found(at, fmt.Sprintf("the filter %s makes the key %s, after tagproc is asked (%s): tagproc sees what the client sent, or nothing", f.GetName(), header, m.place(s.chain[asks].Value)),
					"put the filter that asks tagproc behind it")
			}
		}
		config := TypedConfig(f.Value)
		for _, p := range config.Get("providers").Entries() {
			for _, key := range []string{"claim_to_headers", "claimToHeaders"} {
				for _, c := range p.Get(key).Elements() {
					report(c, c.Text("header_name")+c.Text("headerName"))
				}
			}
		}
		if mutation, is := f.Config.(*headerv3.HeaderMutation); is {
			for i, o := range mutation.GetMutations().GetRequestMutations() {
				report(config.Get("mutations", "request_mutations", i), o.GetAppend().GetHeader().GetKey())
			}
		}
	}
}
