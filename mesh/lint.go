package mesh

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"

	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/source"
)

// A Report is what is found in files. Its JSON is that of tagproc-mesh lint -o json.
type Report struct {
	Findings   []lint.Finding `json:"findings"`
	LookedAt   []string       `json:"lookedAt"`   // the Envoys, as namespace/name
	Taken      []string       `json:"taken"`      // what the files lack, and what is taken in its place
	NotChecked []string       `json:"notChecked"` // what cannot be told, and why
}

// Errors returns the number of findings that are errors.
func (r *Report) Errors() (n int) {
	for _, f := range r.Findings {
		if f.Severity == source.Error {
			n++
		}
	}
	return n
}

// Lint reads files, has Istio make Envoys of them, and returns what does not work: what
// the API server or Istio refuses, what Istio's analyzers say, what the checks of lint find
// in each Envoy, and what tagproc lint finds in the manifests themselves.
func Lint(files []File, o Options) (*Report, error) {
	m := Read(files, o)
	e, err := Build(m, o)
	if err != nil {
		return nil, err
	}
	l := &linter{Report: &Report{Findings: []lint.Finding{}, LookedAt: []string{}, Taken: []string{}, NotChecked: []string{}}, manifests: m, envoys: e}
	for _, one := range e.All {
		l.LookedAt = append(l.LookedAt, one.String())
	}
	for _, n := range e.Notes {
		l.Taken = append(l.Taken, n.Place()+": "+n.Message)
	}
	l.problems(m.Problems)
	l.ofManifests()
	l.analyze()
	l.concern()
	l.unapplied()
	l.ofEnvoys()
	l.ofIstio()
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, f.Name)
	}
	l.Findings = lint.Sort(l.Findings, names)
	l.once()
	return l.Report, nil
}

// A linter is one that looks for what does not work.
type linter struct {
	*Report

	manifests *Manifests
	envoys    *Envoys
	concerned map[*Object]bool // VirtualServices and HTTPRoutes that follow tags, or are for the same hosts
	partial   bool             // there may be Envoys that follow tags and are not modelled
}

func (l *linter) problems(ps source.Problems) {
	for _, p := range ps {
		l.Findings = append(l.Findings, lint.Finding{Problem: p})
	}
}

func (l *linter) found(at source.Value, k source.Kind, fix, format string, args ...any) {
	l.Findings = append(l.Findings, lint.Finding{Problem: at.Problem(kinds[k], k, fmt.Sprintf(format, args...)), Fix: fix})
}

func (l *linter) cannotTell(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(l.NotChecked, text) {
		l.NotChecked = append(l.NotChecked, text)
	}
}

// elusive says what cannot be told, and that routes of tags may be there.
func (l *linter) elusive(format string, args ...any) {
	l.partial = true
	l.cannotTell(format, args...)
}

// kinds are those of findings beside the ones of tagproc lint. An error does not work; a
// warning works until something else happens. The analyzers of Istio name their own.
var kinds = map[source.Kind]source.Severity{
	KindRefused: source.Error,
	KindWarned:  source.Warning,
	KindTwice:   source.Warning,

	"unreachable-route":    source.Error, // one that Istio leaves out
	"two-virtual-services": source.Error,
	"not-http":             source.Error,
	"empty-subset":         source.Error,
	"service-without-pods": source.Error,
	"not-injected":         source.Error,
	"unknown-gateway":      source.Error,
	"gateway-hosts":        source.Error,
	"mesh-only":            source.Error,
	"gateway-selector":     source.Error,
	"filter-selector":      source.Error,
	"filter-unapplied":     source.Error,
}

// routeKinds are the kinds of findings that Istio's Envoys tell better: what tagproc lint
// says of them, by manifests without Istio, is left out.
var routeKinds = []source.Kind{"service-without-pods", "filter-selector", "unknown-cluster", "duplicate-object"}

// ofManifests adds what tagproc lint finds in the manifests without Istio: the pods, the
// Service and the mounts of tagproc, and patches of EnvoyFilters.
func (l *linter) ofManifests() {
	for _, f := range l.manifests.alone.Report().Findings {
		if !slices.Contains(routeKinds, f.Kind) {
			l.Findings = append(l.Findings, f)
		}
	}
}

// ofEnvoys adds what the checks of lint find in the Envoys.
func (l *linter) ofEnvoys() {
	model := &lint.Model{Manifests: true, Origin: l.envoys.Origin, Scoped: isScoped, Rules: l.manifests.Rules}
	if len(model.Rules) == 0 {
		l.cannotTell("tags and routes: the files have no rules")
	}
	asked := false
	for _, one := range l.envoys.All {
		l.close(one)
		if model.AddEnvoy(one.String(), one.Config, one.Gateway) {
			asked = true
		}
	}
	model.Complete = !l.partial && (l.has("VirtualService") || l.has("HTTPRoute"))
	model.Settle()
	if len(l.envoys.All) > 0 {
		l.Findings = append(l.Findings, model.Findings()...)
	}
	l.filters(asked)
}

// close adds to an Envoy the clusters that it may have by manifests that are not among the
// files, so that they are not said to be missing.
func (l *linter) close(one *Envoy) {
	for name := range one.targets() {
		host, subset, is := splitCluster(name)
		if !is || one.Config.Cluster(name) != nil {
			continue
		}
		if !one.Gateway && strings.HasPrefix(name, "outbound|80|") && !l.asks(host, 80) {
			one.assume(name) // Istio has routes for every host at port 80, whether its Service has it or not
			continue
		}
		if why := l.unknowable(host, subset); why != "" {
			l.cannotTell("%s", why)
			one.assume(name)
		}
	}
}

// asks reports whether a VirtualService names a port of a host.
func (l *linter) asks(host string, port uint32) bool {
	for _, o := range l.manifests.Objects {
		spec, is := istioSpec[*networking.VirtualService](o)
		if is && slices.ContainsFunc(spec.GetHttp(), func(r *networking.HTTPRoute) bool {
			return slices.ContainsFunc(r.GetRoute(), func(d *networking.HTTPRouteDestination) bool {
				return fullHost(d.GetDestination().GetHost(), o.Namespace) == host && d.GetDestination().GetPort().GetNumber() == port
			})
		}) {
			return true
		}
	}
	return slices.ContainsFunc(l.envoys.services, func(s *kubeService) bool {
		return s.Name+"."+s.Namespace+".svc.cluster.local" == host && slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == int32(port) })
	})
}

// unknowable says why it cannot be told whether there is a cluster of a host, or "".
func (l *linter) unknowable(host, subset string) string {
	name, namespace, is := splitHost(host)
	switch {
	case !is && !l.has("ServiceEntry"):
		return fmt.Sprintf("whether %s is there: the files have no ServiceEntry", host)
	case is && !l.showsServices(namespace):
		return l.elsewhere(name, namespace)
	case subset != "" && l.misplaced(name, namespace) != "":
		return l.misplaced(name, namespace)
	case subset != "" && !l.has("DestinationRule"):
		return "subsets: the files have no DestinationRule"
	}
	return ""
}

// misplaced says that a DestinationRule for a Service of this name is for a namespace of
// which the files have no Service, or "": then it is probably this one.
func (l *linter) misplaced(name, namespace string) string {
	for _, o := range l.manifests.Objects {
		spec, is := istioSpec[*networking.DestinationRule](o)
		if !is {
			continue
		}
		n, ns, is := splitHost(fullHost(spec.GetHost(), o.Namespace))
		if is && n == name && ns != namespace && !l.showsServices(ns) {
			return fmt.Sprintf("subsets of Service %s of namespace %s: DestinationRule %s is for that of %s, and no file has that Service; if a file leaves out the namespace, say --namespace %s", name, namespace, o.Name, ns, ns)
		}
	}
	return ""
}

// elsewhere says why it cannot be told whether a namespace has a Service where the files
// show none of its Services, or "". Istio does not find a Service in another namespace by a
// short name in a VirtualService.
func (l *linter) elsewhere(name, namespace string) string {
	why := fmt.Sprintf("whether Service %s is there: the files have none of namespace %s", name, namespace)
	i := slices.IndexFunc(l.envoys.services, func(s *kubeService) bool { return s.Name == name })
	switch {
	case i < 0:
		return why
	case slices.ContainsFunc(l.manifests.Objects, func(o *Object) bool { return o.Kind == "VirtualService" && o.Namespace == namespace }):
		return ""
	}
	return fmt.Sprintf("%s; there is one in %s: if it is without a namespace in its file, say --namespace %s", why, l.envoys.services[i].Namespace, namespace)
}

// showsServices reports whether the files have Services of a namespace: then they have all.
func (l *linter) showsServices(namespace string) bool {
	return slices.ContainsFunc(l.manifests.Objects, func(o *Object) bool { return o.Kind == "Service" && o.Namespace == namespace })
}

func (l *linter) has(kind string) bool {
	return slices.ContainsFunc(l.manifests.Objects, func(o *Object) bool { return o.Kind == kind })
}

// once leaves out findings that say the same of the same place: what one Envoy has, others
// have too.
func (l *linter) once() {
	type key struct {
		kind  source.Kind
		place string
	}
	seen := map[key]bool{}
	l.Findings = slices.DeleteFunc(l.Findings, func(f lint.Finding) bool {
		k := key{f.Kind, f.Place()}
		twice := seen[k]
		seen[k] = true
		return twice
	})
}

// splitCluster returns what a cluster of Istio is named after.
func splitCluster(name string) (host, subset string, is bool) {
	parts := strings.Split(name, "|")
	if len(parts) != 4 || parts[0] != "outbound" {
		return "", "", false
	}
	return parts[3], parts[2], true
}

// splitHost returns the name and namespace of a Service by its full name.
func splitHost(host string) (name, namespace string, is bool) {
	rest, is := strings.CutSuffix(host, ".svc.cluster.local")
	name, namespace, dot := strings.Cut(rest, ".")
	return name, namespace, is && dot
}
