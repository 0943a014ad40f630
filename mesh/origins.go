package mesh

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/trace"
)

// Istio's metadata names the object that a route is made of, and not which of its routes. So
// routes without a name get their number for one, before Istio sees them; it moves into the
// metadata of what Istio makes of them. Rules of HTTPRoutes and GRPCRoutes lose their names,
// which are theirs in one object alone: Istio calls what it makes of them by object and number.

var routeNumber = regexp.MustCompile(`-?#tagproc-mesh:(\d+)`)

// numbered returns a VirtualService whose routes without a name are called by their number.
func numbered(c config.Config) config.Config {
	spec, is := c.Spec.(*networking.VirtualService)
	if !is {
		return c
	}
	spec = proto.CloneOf(spec)
	for i, r := range spec.GetHttp() {
		if r.GetName() == "" {
			r.Name = fmt.Sprintf("#tagproc-mesh:%d", i)
		}
	}
	c.Spec = spec
	return c
}

// unnamed returns a route of the Gateway API whose rules have no names.
func unnamed(o runtime.Object) runtime.Object {
	switch route := o.(type) {
	case *gatewayv1.HTTPRoute:
		route = route.DeepCopy()
		for i := range route.Spec.Rules {
			route.Spec.Rules[i].Name = nil
		}
		return route
	case *gatewayv1.GRPCRoute:
		route = route.DeepCopy()
		for i := range route.Spec.Rules {
			route.Spec.Rules[i].Name = nil
		}
		return route
	}
	return o
}

// unnumber gives routes that numbered has named the names that they have, "" or that of
// the route that delegates to them.
func unnumber(v any) {
	switch v := v.(type) {
	case map[string]any:
		name, _ := v["name"].(string)
		metadata, _ := v["metadata"].(map[string]any)
		filters, _ := metadata["filterMetadata"].(map[string]any)
		istio, _ := filters["istio"].(map[string]any)
		path, _ := istio["config"].(string)
		if number := routeNumber.FindStringSubmatch(name); number != nil && path != "" {
			istio["config"] = path + "#" + number[1]
			v["name"] = strings.TrimPrefix(routeNumber.ReplaceAllString(name, ""), "-")
		}
		for _, inner := range v {
			unnumber(inner)
		}
	case []any:
		for _, inner := range v {
			unnumber(inner)
		}
	}
}

// findOrigins finds out which manifests the parts of a configuration are made of: by
// Istio's metadata, and what EnvoyFilters add by its name.
func (e *Envoys) findOrigins(one *Envoy) {
	one.origins = map[int]source.Value{}
	docs, err := source.Documents("", one.Text, len(one.Text)+1)
	_ = err
	for _, d := range docs {
		for _, r := range d.Get("resources").Elements() {
			e.originsOf(one, r, source.Value{})
		}
	}
}

// originsOf notes where v and what is below it come from: from origin, where nothing
// nearer says so.
func (e *Envoys) originsOf(one *Envoy, v, origin source.Value) {
	if v.IsMapping() {
		if path := v.Text("metadata", "filterMetadata", "istio", "config"); path != "" {
			if _, at := e.madeOf(path, v.Text("name")); at.Exists() {
				origin = at
			}
		} else if name := v.Text("name"); name != "" {
			if patch := e.patch(name); patch.Exists() && (v.Get("typedConfig").Exists() || strings.HasSuffix(v.Text("@type"), ".Cluster")) {
				origin = patch
			}
		}
	}
	if !origin.IsZero() {
		if _, known := one.origins[v.Place().Line()]; !known || v.IsMapping() {
			one.origins[v.Place().Line()] = origin
		}
		if v.IsScalar() {
			one.origins[v.KeyPlace().Line()] = origin
		}
	}
	for _, entry := range v.Entries() {
		next := origin
		if !origin.IsZero() {
			if deeper := below(origin, entry.Key()); deeper.Exists() {
				next = deeper
			}
		}
		e.originsOf(one, entry, next)
	}
	for i, element := range v.Elements() {
		next := origin
		if deeper := origin.Get(i); !origin.IsZero() && origin.IsList() && deeper.Exists() {
			next = deeper
		}
		e.originsOf(one, element, next)
	}
}

// below returns the value of a key of JSON in what is written for it, in either spelling.
func below(v source.Value, key string) source.Value {
	if !v.IsMapping() {
		return source.Value{}
	}
	if at := v.Get(key); at.Exists() {
		return at
	}
	var snake strings.Builder
	for _, r := range key {
		if r >= 'A' && r <= 'Z' {
			snake.WriteByte('_')
			r += 'a' - 'A'
		}
		snake.WriteRune(r)
	}
	return v.Get(snake.String())
}

// object returns the object that Istio's metadata names, such as
// "/apis/networking.istio.io/v1/namespaces/default/virtual-service/mocka".
func (e *Envoys) object(path string) *Object {
	path, _, _ = strings.Cut(path, "#")
	parts := strings.Split(strings.TrimPrefix(path, "/apis/"), "/")
	if len(parts) < 6 {
		return nil
	}
	group, namespace, kind, name := parts[0], parts[3], strings.ReplaceAll(parts[4], "-", ""), parts[5]
	for _, o := range e.manifests.Objects {
		if o.Group == group && o.Namespace == namespace && strings.EqualFold(o.Kind, kind) && o.Name == name {
			return o
		}
	}
	return nil
}

// madeOf returns the object, and its part, that a route of a name is made of, by the object
// that Istio's metadata names; nil if it is not among the manifests.
func (e *Envoys) madeOf(path, name string) (*Object, source.Value) {
	o := e.object(path)
	if o == nil {
		return e.ruleOf(name)
	}
	if _, is := istioSpec[*networking.VirtualService](o); is {
		_, number, _ := strings.Cut(path, "#")
		for i, r := range o.Doc.Get("spec", "http").Elements() {
			if number == strconv.Itoa(i) || number == "" && name != "" && r.Text("name") == name {
				return o, r
			}
		}
	}
	return o, o.Doc.Get("metadata", "name")
}

// ruleOf returns the rule of an HTTPRoute or a GRPCRoute that Istio names a route after:
// "NAMESPACE.NAME.INDEX".
func (e *Envoys) ruleOf(name string) (*Object, source.Value) {
	for _, o := range e.manifests.Objects {
		if o.Kind != "HTTPRoute" && o.Kind != "GRPCRoute" {
			continue
		}
		for i, r := range o.Doc.Get("spec", "rules").Elements() {
			if name == fmt.Sprintf("%s.%s.%d", o.Namespace, o.Name, i) {
				return o, r
			}
		}
	}
	return nil, source.Value{}
}

// patch returns the value of the patch of an EnvoyFilter that has a name.
func (e *Envoys) patch(name string) source.Value {
	for _, o := range e.manifests.Objects {
		if o.Kind != "EnvoyFilter" {
			continue
		}
		for _, p := range o.Doc.Get("spec", "configPatches").Elements() {
			if v := p.Get("patch", "value"); v.Text("name") == name {
				return v
			}
		}
	}
	return source.Value{}
}

// Origin returns where a value of a configuration comes from among the manifests, or the
// value.
func (e *Envoys) Origin(v source.Value) source.Value {
	for _, one := range e.All {
		if v.Place().File() != "Envoy of "+one.String() {
			continue
		}
		if at, is := one.origins[v.Place().Line()]; is {
			return at
		}
	}
	return v
}

// Rename gives the places of a way those of the manifests, where Istio says what they are
// made of.
func (e *Envoys) Rename(w *trace.Way) {
	for i := range w.Hops {
		h := &w.Hops[i]
		for j := range h.Passed {
			h.Passed[j].At = e.placeOf(h.Name, h.Passed[j].At)
		}
		for j := range h.Clusters {
			h.Clusters[j].At = e.placeOf(h.Name, h.Clusters[j].At)
		}
		if h.Route != nil {
			h.Route.At = e.placeOf(h.Name, h.Route.At)
		}
		if h.Tagproc != nil {
			h.Tagproc.Filter.At = e.placeOf(h.Name, h.Tagproc.Filter.At)
		}
	}
}

// placeOf returns the place among the manifests of a place in the configuration of an
// Envoy.
func (e *Envoys) placeOf(envoy, at string) string {
	for _, one := range e.All {
		if one.String() != envoy {
			continue
		}
		parts := strings.Split(at, ":")
		if len(parts) < 3 {
			return at
		}
		line, err := strconv.Atoi(parts[len(parts)-2])
		if origin, is := one.origins[line]; err == nil && is {
			return origin.Place().String()
		}
	}
	return at
}
