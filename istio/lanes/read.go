package lanes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tagproc/tagproc/source"
)

// A Note is worth knowing, and nothing is wrong.
type Note struct {
	Message string

	at source.Problem // for its source.Value
}

// String returns "file:line:col: note: message".
func (n Note) String() string { return n.at.Place() + ": note: " + n.Message }

// Read returns the lane groups of documents, in their order: of the manifests of
// Alibaba Cloud Service Mesh, and of lanes files. There are none exactly if a
// problem is an Error; warnings name what nothing is made of, or what has no
// effect.
//
// Other documents help: Services tell their ports, and rules, as a WasmPlugin or a rules
// file, tell which tags name lanes, and the lanes of named users.
func Read(docs []*source.Document) ([]*Group, []Note, source.Problems) {
	r := &reader{}
	drafts := r.drafts(docs)
	ports := r.ports(docs)
	var groups []*Group
	for _, d := range drafts {
		if g := r.check(d, ports); g != nil {
			groups = append(groups, g)
		}
	}
	r.together(drafts, groups)
	r.tags(docs, groups)
	r.notNeeded(r.others, groups)
	problems := r.sorted(docs)
	if r.Errors() > 0 {
		groups = nil
	}
	return groups, r.notes, problems
}

// drafts reads the groups that documents are.
func (r *reader) drafts(docs []*source.Document) (drafts []*draft) {
	var asm []*source.Document
	byName := map[string]*draft{} // of ASM
	for _, d := range docs {
		var g *draft
		before := r.Errors()
		switch {
		case isASM(d, groupKind):
			g = r.asmGroup(d)
			byName[d.Name] = g
		case isASM(d, laneKind):
			asm = append(asm, d)
		case isLanesFile(d):
			g = r.lanesFile(d)
		case nearKind(d) != "":
			r.Add(d.Get("kind").Problem(source.Error, KindGroup, fmt.Sprintf("istio.alibabacloud.com has no kind %s; write %s", source.Shorten(d.Kind), nearKind(d))))
		case d.Kind != "" && d.Kind != "Service" && !hasRules(d):
			r.others = append(r.others, d)
		}
		if g == nil {
			continue
		}
		if slices.ContainsFunc(drafts, func(other *draft) bool { return g.name.set && other.name.v == g.name.v }) {
			r.error(g.name.at, KindGroup, "duplicate lane group %s; give this one another name", g.name.v)
			continue
		}
		g.whole = r.Errors() == before
		if !g.name.set && g.whole {
			r.error(g.at, source.KindMissing, "the file has no laneGroup; add the name of the group")
		}
		drafts = append(drafts, g)
	}
	for _, d := range asm {
		group := d.Labels[laneLabel]
		if g := byName[group]; g != nil {
			g.lanes = append(g.lanes, r.asmLane(d))
			continue
		}
		r.noGroup(d, group, slices.Sorted(maps.Keys(byName)))
	}
	for _, g := range drafts {
		if isASM(g.doc, groupKind) {
			byCreation(g.lanes)
			for _, l := range g.lanes {
				g.rules = append(g.rules, r.asmRules(l)...)
			}
		}
	}
	if len(drafts) == 0 && r.Errors() == 0 {
		r.Add(source.Problem{File: firstFile(docs), Kind: KindGroup, Message: "the files have no lane group; expected an " + groupKind + " with its " + laneKind + "s, or a lanes file with laneGroup, services and lanes"})
	}
	return drafts
}

// nearKind returns the kind that is meant by a misspelt one of Alibaba Cloud Service Mesh,
// or "".
func nearKind(d *source.Document) string {
	if d.Group() != "istio.alibabacloud.com" || d.Kind == groupKind || d.Kind == laneKind {
		return ""
	}
	return source.Nearest(d.Kind, []string{groupKind, laneKind})
}

// noGroup says that a lane of ASM belongs to no group.
func (r *reader) noGroup(d *source.Document, group string, groups []string) {
	if group == "" {
		name := "GROUP"
		if len(groups) == 1 {
			name = groups[0]
		}
		r.error(d.Get("metadata"), KindGroup, "lane %s has no label %s, which names its group; write labels: {%s: %s} under metadata", d.Name, laneLabel, laneLabel, name)
		return
	}
	r.error(d.Get("metadata", "labels"), KindGroup, "lane %s is of the group %q by its label %s, and no file has an %s of that name%s",
		d.Name, source.Shorten(group), laneLabel, groupKind, source.DidYouMean(source.Nearest(group, groups)))
}

func firstFile(docs []*source.Document) string {
	if len(docs) == 0 {
		return "input"
	}
	return docs[0].File
}

// isLanesFile reports whether d is meant to be a lanes file: what is neither an
// object nor a rules file.
func isLanesFile(d *source.Document) bool {
	return d.Kind == "" && (d.Get("laneGroup").Exists() || d.Get("lanes").Exists() || !d.Get("rules").Exists())
}

// byCreation orders lanes by age, if that is known of all: the first one made is
// the baseline unless another is named, and kubectl lists by name.
func byCreation(lanes []laneDraft) {
	if !datesKnown(lanes) {
		return
	}
	slices.SortStableFunc(lanes, func(a, b laneDraft) int { return cmp.Compare(a.created, b.created) }) // RFC 3339, in UTC
}

// datesKnown reports whether it is known of all lanes when they were made.
func datesKnown(lanes []laneDraft) bool {
	return !slices.ContainsFunc(lanes, func(l laneDraft) bool { return l.created == "" })
}

// ports returns the ports of the Services among docs.
func (r *reader) ports(docs []*source.Document) map[Service][]uint32 {
	ports := map[Service][]uint32{}
	for _, d := range docs {
		if d.Kind != "Service" || d.Group() != "" {
			continue
		}
		s := Service{cmp.Or(d.Namespace, "default"), d.Name}
		for i := 0; d.Get("spec", "ports", i).Exists() && i < maxRules; i++ {
			p := d.Get("spec", "ports", i, "port")
			if !p.Exists() {
				continue
			}
			if port := r.IntIn(p, 1, maxPort); port.OK() && !slices.Contains(ports[s], uint32(port.V)) {
				ports[s] = append(ports[s], uint32(port.V))
			}
		}
	}
	return ports
}

// together says which groups exclude each other, and why.
func (r *reader) together(drafts []*draft, groups []*Group) {
	of := map[Service]string{}
	hosts := map[string]string{}
	names := map[string]bool{} // of VirtualServices
	for _, g := range groups {
		i := slices.IndexFunc(drafts, func(d *draft) bool { return d.name.v == g.Name })
		for j, s := range g.Services {
			if other, taken := of[s]; taken {
				r.error(drafts[i].services[j].at, KindGroup, "%s is in the group %s too: Istio takes one VirtualService for a host in the mesh, and ignores others", s, other)
			}
			of[s] = g.Name
		}
		for _, h := range g.hosts() {
			key := g.Gateway.String() + " " + h
			if other, taken := hosts[key]; taken {
				r.warn(drafts[i].gatewayAt, KindGroup, "the groups %s and %s both have rules for host %s at gateway %s: Istio joins them in an unreliable order", other, g.Name, h, g.Gateway)
				continue
			}
			hosts[key] = g.Name
		}
		for _, vs := range g.gatewayVirtualServices() {
			names[vs.namespace+"/"+vs.name] = true
		}
	}
	for i, g := range groups {
		for _, s := range g.Services {
			if names[s.String()] {
				r.error(drafts[i].name.at, KindGroup, "the VirtualServices of the gateway and of the service would both be called %s; give the group another name", s)
			}
		}
	}
}

// sorted returns the problems by their places, files in the order of docs. Every lane has
// a rule for each entry of ingress, so that one entry may be reported several times.
func (r *reader) sorted(docs []*source.Document) source.Problems {
	file := map[string]int{}
	for _, d := range docs {
		if _, known := file[d.File]; !known {
			file[d.File] = len(file)
		}
	}
	problems := r.Problems()
	slices.SortStableFunc(problems, func(a, b source.Problem) int { return cmp.Compare(file[a.File], file[b.File]) })
	slices.SortStableFunc(r.notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(file[a.at.File], file[b.at.File]), cmp.Compare(a.at.Line, b.at.Line), cmp.Compare(a.at.Col, b.at.Col))
	})
	return problems
}
