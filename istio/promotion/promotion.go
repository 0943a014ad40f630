// Package promotion says what a mesh has no more use for once all users have one tag: the
// routes that ask for it, the subsets and Services that only these lead to, and the Deployments
// behind them.
//
// It reads manifests of Istio and of the Gateway API, lanes as what they render to, and Envoys' own configurations. It is given
// content and does not know from where, and it changes nothing.
package promotion

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/istio/lanes"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/source"
)

// Left is what goes after a promotion, each list in the order of the manifests.
type Left struct {
	Routes      []string // "VirtualService shop/cart: route s2", "envoy.yaml:23:7: route s2 of virtual host shop"
	Subsets     []string // "DestinationRule shop/cart: subset s2"
	Services    []string // "Service shop/cart-s2": of a lane, by HTTPRoutes
	Deployments []string // "Deployment shop/cart-s2": its pods are those of such a subset or Service
	Takers      []string // subsets and Services that untagged requests reach, whose pods get the new version first
	Unclear     []string // routes that look at the tag header by a pattern
	Clusters    []string // "envoy.yaml:40:5: cluster s2": of an Envoy's own configuration, that only such routes lead to
	Lanes       []string // the files with the lanes, in which the lane goes
	HTTPRoutes  bool     // the lanes are rendered as HTTPRoutes
	NotRead     []string // objects that may have routes, and that are not understood here
}

// IsZero reports whether nothing goes.
func (l *Left) IsZero() bool {
	return len(l.Routes)+len(l.Subsets)+len(l.Services)+len(l.Deployments)+len(l.Clusters)+len(l.Unclear) == 0
}

// Of returns what goes where all users have a tag. Problems of lanes and of configurations of
// Envoy are returned beside what is known without them.
func Of(docs []*source.Document, tagHeader, tag string) (*Left, source.Problems) {
	f := finder{header: strings.ToLower(tagHeader), tag: tag, gone: map[target]bool{}, kept: map[target]bool{}}
	var problems source.Problems
	if slices.ContainsFunc(docs, isLanes) {
		groups, _, wrong := lanes.Read(docs)
		problems = wrong
		for _, g := range groups {
			if renderedAsRoutes(docs, g.Name) {
				f.left.HTTPRoutes = true
				continue
			}
			rendered, err := renderedOf(g)
			if err != nil {
				continue // what tagproc renders it reads
			}
			docs = append(docs, rendered...)
		}
		for _, d := range docs {
			if isLanes(d) && !slices.Contains(f.left.Lanes, d.File) && d.File != "" {
				f.left.Lanes = append(f.left.Lanes, d.File)
			}
		}
	}
	for _, d := range docs {
		switch {
		case d.Kind == "VirtualService":
			f.routes(d)
		case isRoute(d):
			f.gatewayRoute(d)
		}
	}
	for t := range f.kept {
		delete(f.gone, t)
	}
	for _, d := range docs {
		switch d.Kind {
		case "DestinationRule":
			f.subsets(d, docs)
		case "Ingress":
			f.left.NotRead = add(f.left.NotRead, d.ID())
		}
	}
	f.services(docs)
	return &f.left, append(problems, f.envoys(docs)...)
}

// isLanes reports whether a document has lanes.
func isLanes(d *source.Document) bool {
	return d.Kind == "ASMSwimLaneGroup" || d.Kind == "ASMSwimLane" || d.Kind == "" && d.Get("laneGroup").Exists()
}

func renderedOf(g *lanes.Group) ([]*source.Document, error) {
	var text bytes.Buffer
	if err := manifest.Write(&text, lanes.Render(g, lanes.Options{})...); err != nil {
		return nil, err
	}
	docs, problems := source.Read("", text.Bytes())
	return docs, problems.Err()
}

// A target is a subset of a host, or without one a Service: "cart.shop".
type target struct{ host, subset string }

type finder struct {
	header, tag string
	gone, kept  map[target]bool // by routes that go, and by others
	untagged    []target        // of routes without a tag
	left        Left
}

// routes sorts the routes of a VirtualService: those that ask for the tag, or set it, go.
func (f *finder) routes(d *source.Document) {
	for i, r := range d.Get("spec", "http").Elements() {
		name := r.Text("name")
		if name == "" {
			name = fmt.Sprint(i + 1)
		}
		line := fmt.Sprintf("%s: route %s", d.ID(), name)
		asks, pattern := f.asks(r)
		targets := targetsOf(r, d.Namespace)
		switch {
		case asks:
			f.left.Routes = add(f.left.Routes, line)
			for _, t := range targets {
				f.gone[t] = true
			}
			continue
		case pattern:
			f.left.Unclear = add(f.left.Unclear, line)
		case !f.looks(r):
			f.untagged = append(f.untagged, targets...)
		}
		for _, t := range targets {
			f.kept[t] = true
		}
		for _, to := range r.Get("route").Elements() {
			f.kept[target{host: hostOf(to.Text("destination", "host"), d.Namespace)}] = true
		}
	}
}

// asks reports whether a route is for the tag alone, or sets it; and whether it looks at
// the tag header by a pattern.
func (f *finder) asks(route source.Value) (asks, pattern bool) {
	for _, e := range route.Get("headers", "request", "set").Entries() {
		if strings.EqualFold(e.Key(), f.header) && e.Text() == f.tag {
			return true, false
		}
	}
	matches := route.Get("match").Elements()
	asks = len(matches) > 0
	for _, m := range matches {
		found := false
		for _, e := range m.Get("headers").Entries() {
			if !strings.EqualFold(e.Key(), f.header) {
				continue
			}
			found = found || e.Text("exact") == f.tag
			pattern = pattern || e.Get("regex").Exists() || e.Get("prefix").Exists()
		}
		asks = asks && found
	}
	return asks, pattern && !asks
}

// looks reports whether a route looks at the tag header.
func (f *finder) looks(route source.Value) bool {
	return slices.ContainsFunc(route.Get("match").Elements(), func(m source.Value) bool {
		return slices.ContainsFunc(m.Get("headers").Entries(), func(e source.Value) bool { return strings.EqualFold(e.Key(), f.header) })
	})
}

// targetsOf returns the subsets that a route leads to.
func targetsOf(route source.Value, namespace string) (targets []target) {
	for _, r := range route.Get("route").Elements() {
		if subset := r.Text("destination", "subset"); subset != "" {
			targets = append(targets, target{hostOf(r.Text("destination", "host"), namespace), subset})
		}
	}
	return targets
}

// hostOf returns a host as one of a namespace: "cart.shop".
func hostOf(host, namespace string) string {
	host = strings.TrimSuffix(host, ".svc.cluster.local")
	if !strings.Contains(host, ".") && namespace != "" {
		host += "." + namespace
	}
	return host
}

// subsets notes the subsets of a DestinationRule that go, with the Deployments that have
// their pods, and those that take over.
func (f *finder) subsets(d *source.Document, docs []*source.Document) {
	host := hostOf(d.Text("spec", "host"), d.Namespace)
	var goes, stay []source.Value
	for _, s := range d.Get("spec", "subsets").Elements() {
		if !f.gone[target{host, s.Text("name")}] {
			stay = append(stay, s)
			continue
		}
		goes = append(goes, s)
		f.left.Subsets = add(f.left.Subsets, fmt.Sprintf("%s: subset %s", d.ID(), s.Text("name")))
	}
	for _, w := range docs {
		if w.Kind != "Deployment" || w.Namespace != d.Namespace {
			continue
		}
		of := func(s source.Value) bool { return runs(w, docs, host, s) }
		if slices.ContainsFunc(goes, of) && !slices.ContainsFunc(stay, of) {
			f.left.Deployments = add(f.left.Deployments, w.ID())
		}
	}
	for _, t := range f.untagged {
		if len(goes) > 0 && t.host == host {
			f.left.Takers = add(f.left.Takers, fmt.Sprintf("%s: subset %s", d.ID(), t.subset))
		}
	}
}

// runs reports whether the pods of a Deployment are those of a subset: they have its
// labels, and those that the Service selects, or, where that is not there, the service's
// name as app. A subset without labels has all pods of its service, and a Service without a
// selector has pods that nothing here tells.
func runs(w *source.Document, docs []*source.Document, host string, subset source.Value) bool {
	name, _, _ := strings.Cut(host, ".")
	service := map[string]string{"app": name}
	for _, s := range docs {
		if s.Kind == "Service" && s.Name == name && s.Namespace == w.Namespace {
			service = labels(s.Get("spec", "selector"))
		}
	}
	own := labels(subset.Get("labels"))
	return len(own) > 0 && len(service) > 0 && selects(own, w) && selects(service, w)
}

// selects reports whether the pods of a Deployment have labels.
func selects(of map[string]string, w *source.Document) bool {
	pods := labels(w.Get("spec", "template", "metadata", "labels"))
	for key, value := range of {
		if pods[key] != value {
			return false
		}
	}
	return true
}

func labels(v source.Value) map[string]string {
	of := map[string]string{}
	for _, e := range v.Entries() {
		of[e.Key()] = e.Text()
	}
	return of
}

func add(list []string, line string) []string {
	if slices.Contains(list, line) {
		return list
	}
	return append(list, line)
}
