package lanes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

// notNeeded says of documents that no lane is made of: of a VirtualService by which
// requests enter that it stays, and of all the rest in one note what it is.
func (r *reader) notNeeded(docs []*source.Document, groups []*Group) {
	count := map[string]int{}
	var first *source.Document
	for _, d := range docs {
		if r.ownEntry(d, groups) {
			continue
		}
		if first == nil {
			first = d
		}
		count[d.Kind]++
	}
	if first == nil {
		return
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		kinds = append(kinds, fmt.Sprintf("%s (%d)", source.Shorten(kind), count[kind]))
	}
	r.note(first.Value, "ignored, since they are not lanes, Services or rules: %s", strings.Join(kinds, ", "))
}

// ownEntry notes that a VirtualService of the user's own leads to a service of a
// group at a gateway, and reports whether it does.
func (r *reader) ownEntry(d *source.Document, groups []*Group) bool {
	var vs networking.VirtualService
	if d.Kind != "VirtualService" || d.Labels[managedBy] == tagproc || !readable(d, &vs) {
		return false
	}
	namespace := cmp.Or(d.Namespace, "default")
	var at []string // its gateways
	for _, g := range vs.Gateways {
		if g != "mesh" {
			if !strings.Contains(g, "/") {
				g = namespace + "/" + g
			}
			at = append(at, g)
		}
	}
	if len(at) == 0 {
		return false
	}
	for _, route := range vs.Http {
		for _, to := range route.Route {
			s := hostName(to.GetDestination().GetHost())
			s.Namespace = cmp.Or(s.Namespace, namespace)
			i := slices.IndexFunc(groups, func(g *Group) bool { return slices.Contains(g.Services, s) })
			if i < 0 {
				continue
			}
			then := "what enters there reaches the lanes that its own routes name"
			if slices.Contains(at, groups[i].Gateway.String()) && len(groups[i].hosts()) > 0 {
				then = "Istio joins its routes and the rendered ones in an unreliable order; keep one of them"
			}
			r.note(d.Value, "%s leads to %s at gateway %s, and stays as it is: %s", d.ID(), s, strings.Join(at, ", "), then)
			return true
		}
	}
	return false
}

// readable reads the spec of an Istio object that is not tagproc's, and reports whether it
// could. Faults in it are not reported.
func readable(d *source.Document, spec *networking.VirtualService) bool {
	return !slices.ContainsFunc(d.Get("spec").Message(spec), func(f source.Fault) bool { return f.Sort == source.WrongValue })
}
