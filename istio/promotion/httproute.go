package promotion

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/source"
)

// isRoute reports whether a document is a route of the Gateway API, whose rules match
// headers and lead to Services.
func isRoute(d *source.Document) bool { return d.Kind == "HTTPRoute" || d.Kind == "GRPCRoute" }

// A rule is one of an HTTPRoute or GRPCRoute.
type rule struct {
	line    string // "HTTPRoute shop/cart: rule 2"
	asks    bool   // it is for the tag alone, or sets it
	pattern bool   // it looks at the tag header by a pattern
	looks   bool   // it looks at the tag header
	to      []target
}

// rules returns the rules of a route of the Gateway API. Their targets have no subsets.
func (f *finder) rules(d *source.Document) (rules []rule) {
	for i, v := range d.Get("spec", "rules").Elements() {
		r := rule{line: fmt.Sprintf("%s: rule %d", d.ID(), i+1)}
		matches := v.Get("matches").Elements()
		r.asks = len(matches) > 0
		for _, m := range matches {
			found := false
			for _, h := range m.Get("headers").Elements() {
				if !strings.EqualFold(h.Text("name"), f.header) {
					continue
				}
				r.looks = true
				if h.Text("type") == "RegularExpression" {
					r.pattern = true
				} else {
					found = found || h.Text("value") == f.tag
				}
			}
			r.asks = r.asks && found
		}
		for _, filter := range v.Get("filters").Elements() {
			for _, h := range filter.Get("requestHeaderModifier", "set").Elements() {
				r.asks = r.asks || strings.EqualFold(h.Text("name"), f.header) && h.Text("value") == f.tag
			}
		}
		for _, b := range v.Get("backendRefs").Elements() {
			if kind := b.Text("kind"); kind == "" || kind == "Service" {
				r.to = append(r.to, serviceOf(b, d.Namespace))
			}
		}
		rules = append(rules, r)
	}
	return rules
}

// serviceOf returns the Service that a reference of an object names.
func serviceOf(ref source.Value, namespace string) target {
	if in := ref.Text("namespace"); in != "" {
		namespace = in
	}
	return target{host: hostOf(ref.Text("name"), namespace)}
}

// gatewayRoute sorts the rules of a route of the Gateway API, as routes does those of a
// VirtualService. The Services that it is a route for stay.
func (f *finder) gatewayRoute(d *source.Document) {
	for _, r := range f.rules(d) {
		leads := f.kept
		switch {
		case r.asks:
			f.left.Routes = add(f.left.Routes, r.line)
			leads = f.gone
		case r.pattern:
			f.left.Unclear = add(f.left.Unclear, r.line)
		}
		for _, t := range r.to {
			leads[t] = true
		}
	}
	for _, p := range d.Get("spec", "parentRefs").Elements() {
		if p.Text("kind") == "Service" {
			f.kept[serviceOf(p, d.Namespace)] = true
		}
	}
}

// services notes the Services that only rules which go lead to, the Deployments that have
// their pods, and the Services that take over.
func (f *finder) services(docs []*source.Document) {
	backends := map[target]bool{} // that stay; those that routes are for have pods of all lanes
	for _, d := range docs {
		if !isRoute(d) {
			continue
		}
		var goes bool
		var untagged []target
		for _, r := range f.rules(d) {
			for _, t := range r.to {
				if f.gone[t] {
					f.left.Services = add(f.left.Services, "Service "+t.id())
					goes = true
				} else {
					backends[t] = true
				}
			}
			if !r.looks && !r.asks {
				untagged = append(untagged, r.to...)
			}
		}
		for _, t := range untagged {
			if goes && !f.gone[t] {
				f.left.Takers = add(f.left.Takers, "Service "+t.id())
			}
		}
	}
	for _, w := range docs {
		of := func(among map[target]bool) bool {
			return slices.ContainsFunc(docs, func(s *source.Document) bool {
				selector := labels(s.Get("spec", "selector"))
				return s.Kind == "Service" && s.Namespace == w.Namespace && among[target{host: hostOf(s.Name, s.Namespace)}] && len(selector) > 0 && selects(selector, w)
			})
		}
		if w.Kind == "Deployment" && of(f.gone) && !of(backends) {
			f.left.Deployments = add(f.left.Deployments, w.ID())
		}
	}
}

// id returns the Service of a target as documents name it: "shop/cart".
func (t target) id() string {
	name, namespace, found := strings.Cut(t.host, ".")
	if !found {
		return name
	}
	return namespace + "/" + name
}

// renderedAsRoutes reports whether HTTPRoutes that tagproc rendered of a lane group are among
// docs: then there are no VirtualServices of it.
func renderedAsRoutes(docs []*source.Document, group string) bool {
	return slices.ContainsFunc(docs, func(d *source.Document) bool {
		return d.Kind == "HTTPRoute" && d.Labels["app.kubernetes.io/managed-by"] == "tagproc" && d.Labels["app.kubernetes.io/part-of"] == group
	})
}
