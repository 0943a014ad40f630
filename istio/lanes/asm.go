package lanes

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

// The names of fields are those of the API istio.alibabacloud.com/v1, which its
// reference and its published Go types have.
const (
	groupKind = "ASMSwimLaneGroup"
	laneKind  = "ASMSwimLane"
	laneLabel = "swimlane-group" // the label of a lane that names its group
)

// isASM reports whether d is an object of Alibaba Cloud Service Mesh.
func isASM(d *source.Document, kind string) bool {
	return d.Kind == kind && d.Group() == "istio.alibabacloud.com"
}

// asmGroup reads an ASMSwimLaneGroup.
func (r *reader) asmGroup(d *source.Document) *draft {
	root := d.Value
	g := &draft{doc: d, at: root, name: text{d.Name, root.Get("metadata").Get("name"), true}, strict: true}
	permissive := root.Get("spec").Get("permissiveModeConfiguration")
	clusters := source.Value{}
	r.spec(root,
		field{Name: "services", Read: func(p source.Value) {
			r.List(p, "services, each with name and namespace", func(p source.Value) {
				if s, ok := r.asmService(p, &clusters); ok {
					g.services = append(g.services, s)
				}
			})
		}},
		field{Name: "ingress", Read: func(p source.Value) { r.asmIngress(p, g) }},
		field{Name: "isPermissive", Read: func(p source.Value) {
			permissive, isSet := false, false
			r.asBool(&permissive, &isSet)(p)
			g.strict = isSet && !permissive
		}},
		field{Name: "permissiveModeConfiguration", Read: func(p source.Value) { r.asmPermissive(p, g) }},
		r.unsupported("defaultTrafficPolicyPatch", "write the traffic policy into the DestinationRules"),
		r.unsupported("defaultHttpRoutePatch", "write what it sets into the VirtualServices"),
		r.unsupported("autoUpdate", "run render again when the lanes change"),
	)
	if !clusters.IsZero() {
		r.note(clusters, "cluster: not needed; Istio takes the endpoints of a service in all clusters of the mesh")
	}
	if g.strict && g.routeHeader.set {
		r.warn(permissive, KindNoEffect, "permissiveModeConfiguration lacks isPermissive: true: the group is in strict mode, where nothing falls back")
	}
	return g
}

// spec reads the spec of a manifest of others.
func (r *reader) spec(root source.Value, fields ...field) (ok bool) {
	if p := root.Get("spec"); p.Exists() {
		return r.Foreign(p, "spec", fields...)
	}
	r.error(root.Get("spec"), source.KindMissing, "%s has no spec", root.Text("kind"))
	return false
}

// unsupported is a field that ASM has and nothing is made of.
func (r *reader) unsupported(name, instead string) field {
	return field{Name: name, Read: func(p source.Value) {
		r.warn(p, source.KindUnsupported, "%s is not supported and is ignored; %s", name, instead)
	}}
}

func (r *reader) asmService(p source.Value, clusters *source.Value) (serviceText, bool) {
	var name, namespace text
	r.Foreign(p, "a service",
		field{Name: "name", Read: r.asText(&name)},
		field{Name: "namespace", Read: r.asText(&namespace)},
		field{Name: "cluster", Read: func(p source.Value) {
			if clusters.IsZero() {
				*clusters = p
			}
		}},
		r.unsupported("trafficPolicyPatch", "write the traffic policy into the DestinationRule of the service"),
		r.unsupported("httpRoutePatch", "write what it sets into the VirtualService of the service"),
	)
	if p.Exists() {
		for _, key := range []string{"name", "namespace"} {
			if !p.Get(key).Exists() {
				r.error(p, source.KindMissing, "service has no %s", key)
			}
		}
	}
	if !name.set || !namespace.set {
		return serviceText{}, false
	}
	return serviceText{Service{namespace.v, name.v}, p}, true
}

func (r *reader) asmIngress(p source.Value, g *draft) {
	r.Foreign(p, "ingress",
		field{Name: "gateway", Read: func(p source.Value) {
			var name, namespace text
			kind := text{v: "ASM"}
			r.Foreign(p, "gateway", field{Name: "name", Read: r.asText(&name)}, field{Name: "namespace", Read: r.asText(&namespace)}, field{Name: "type", Read: r.asText(&kind)})
			if kind.v != "ASM" {
				r.warn(p.Get("type"), source.KindUnsupported, "a gateway of type %s is not supported: only routes inside the mesh are rendered; type ASM is a Gateway of Istio", source.Shorten(kind.v))
				return
			}
			g.gateway, g.gatewayAt = Gateway{namespace.v, name.v}, p
		}},
		field{Name: "ingressRouting", Read: func(p source.Value) {
			strategy := text{v: "rule_based"}
			var rule *weightedDraft
			r.Foreign(p, "ingressRouting",
				field{Name: "ingressRoutingStrategy", Read: r.asText(&strategy)},
				field{Name: "weightedRoutingRule", Read: func(p source.Value) { rule = r.asmWeighted(p) }},
			)
			switch {
			case strategy.v == "weighted" && rule == nil:
				g.weighted = &weightedDraft{at: p}
			case strategy.v == "weighted":
				g.weighted = rule
			case strategy.v != "rule_based" && strategy.v != "rule-based": // the resource and the API write it in two ways
				r.error(strategy.at, source.KindUnsupported, "unknown ingressRoutingStrategy %q; expected rule_based or weighted", source.Shorten(strategy.v))
			case rule != nil:
				r.warn(rule.at, KindNoEffect, "weightedRoutingRule has no effect: ingressRoutingStrategy is not weighted")
			}
		}},
	)
}

func (r *reader) asmWeighted(p source.Value) *weightedDraft {
	w := &weightedDraft{at: p}
	r.Foreign(p, "weightedRoutingRule",
		field{Name: "hosts", Read: func(p source.Value) { w.hosts = r.texts(p, "hosts") }},
		field{Name: "requestMatches", Read: func(p source.Value) {
			r.List(p, "matches", func(p source.Value) {
				if m, ok := r.match(p); ok {
					w.matches = append(w.matches, m)
				}
			})
		}},
	)
	return w
}

func (r *reader) asmPermissive(p source.Value, g *draft) {
	r.Foreign(p, "permissiveModeConfiguration",
		field{Name: "fallbackTarget", Read: r.asText(&g.baseline)},
		field{Name: "serviceLevelFallbackTarget", Read: func(p source.Value) {
			for e := range r.FreeKeys(p, "serviceLevelFallbackTarget") {
				if lane := r.text(e); lane.set {
					g.fallback = append(g.fallback, fallbackDraft{serviceText{asmName(e.Key()), e}, lane})
				}
			}
		}},
		field{Name: "traceHeader", Read: r.asText(&g.traceHeader)},
		field{Name: "routeHeader", Read: r.asText(&g.routeHeader)},
	)
}

// asmName returns the service of "namespace/name".
func asmName(s string) Service {
	namespace, name, found := strings.Cut(s, "/")
	if !found {
		return Service{Name: s}
	}
	return Service{namespace, name}
}

// asmLane reads an ASMSwimLane.
func (r *reader) asmLane(d *source.Document) laneDraft {
	root := d.Value
	l := laneDraft{doc: d, at: root, name: text{d.Name, root.Get("metadata").Get("name"), true}, labels: map[string]string{}, labelsAt: root.Get("spec"), all: true, created: d.Text("metadata", "creationTimestamp")}
	clusters := d.Value // the group's are enough to be told of
	l.whole = r.spec(root,
		field{Name: "labelSelector", Read: func(p source.Value) { l.labels, l.labelsAt = r.StringMap(p, "labelSelector"), p }},
		field{Name: "services", Read: func(p source.Value) {
			l.all = false
			r.List(p, "services, each with name and namespace", func(p source.Value) {
				if s, ok := r.asmService(p, &clusters); ok {
					l.services = append(l.services, s)
				}
			})
		}},
		field{Name: "ingressRules", Read: func(source.Value) {}}, // asmRules reads them
		field{Name: "ingressWeight", Read: func(p source.Value) {
			l.share = &shareDraft{at: p}
			r.Foreign(p, "ingressWeight",
				field{Name: "destination", Read: func(p source.Value) { l.share.target = r.asmDestination(p) }},
				field{Name: "weight", Read: func(p source.Value) { l.share.weight = r.IntIn(p, 0, maxWeight).V }},
			)
		}},
	)
	if !l.whole {
		l.labels = nil
	}
	return l
}

// asmRules reads the ingressRules of a lane.
func (r *reader) asmRules(l laneDraft) (drafts []ruleDraft) {
	rulesAt := l.at.Get("spec").Get("ingressRules")
	if !rulesAt.Exists() {
		return nil
	}
	r.List(rulesAt, "rules", func(p source.Value) {
		rule := ruleDraft{at: p, lane: l.name}
		name := text{v: fmt.Sprintf("%s-%d", l.name.v, len(drafts)+1)}
		online, isSet, ok := false, false, true
		r.Foreign(p, "an ingress rule",
			field{Name: "name", Read: r.asText(&name)},
			field{Name: "online", Read: func(p source.Value) {
				r.asBool(&online, &isSet)(p)
				isSet = true // or the file is refused
			}},
			field{Name: "hosts", Read: func(p source.Value) { rule.hosts = r.texts(p, "hosts") }},
			field{Name: "match", Read: func(p source.Value) {
				m, readable := r.match(p)
				if ok = readable; ok && !isEmpty(m) {
					rule.matches = []*networking.HTTPMatchRequest{m}
				}
			}},
			field{Name: "route", Read: func(p source.Value) {
				r.Foreign(p, "route", field{Name: "destination", Read: func(p source.Value) { rule.target = r.asmDestination(p) }})
			}},
		)
		rule.name, rule.offline = name.v, !online
		switch {
		case !isSet:
			r.warn(p, KindNoEffect, "rule %s lacks online: true: it is not in force, and is left out", source.Shorten(name.v))
		case !online:
			r.note(p, "rule %s of lane %s is not online: it is left out", source.Shorten(name.v), l.name.v)
		}
		if rule.target.service.at.IsZero() {
			r.error(p, source.KindMissing, "rule %s has no route.destination.host", source.Shorten(name.v))
			ok = false
		}
		if ok {
			drafts = append(drafts, rule)
		}
	})
	return drafts
}

// asmDestination reads where requests go: a host, and a port, as ASM writes it or
// as Istio does.
func (r *reader) asmDestination(p source.Value) (t target) {
	port := func(p source.Value) {
		i := r.IntIn(p, 1, maxPort).V
		t.port, t.portAt = uint32(i), p
	}
	var host text
	r.Foreign(p, "destination",
		field{Name: "host", Read: r.asText(&host)},
		field{Name: "portNum", Read: port},
		field{Name: "port", Read: func(p source.Value) { r.Foreign(p, "port", field{Name: "number", Read: port}) }},
	)
	if host.set {
		t.service = serviceText{hostName(host.v), host.at}
	}
	return t
}

// hostName returns the service of a name in DNS, which may be short. If the name is not
// that of a service, it returns a service that is in no group.
func hostName(host string) Service {
	name, rest, _ := strings.Cut(strings.TrimSuffix(host, "."), ".")
	namespace, domain, _ := strings.Cut(rest, ".")
	if !slices.Contains([]string{"", "svc", "svc.cluster.local"}, domain) {
		return Service{Namespace: rest, Name: name}
	}
	return Service{namespace, name}
}
