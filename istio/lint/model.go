package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// A model is what the files say, as far as checks look at it.
type model struct {
	rules     []*ruleSet
	filters   []*extProc
	managers  []*manager
	clusters  []*cluster
	inserted  []string // names of HTTP filters that files add to Istio's
	virtual   []*virtualService
	subsets   []*destinationRule
	gateways  []*gateway
	services  []*service
	externals []string // hosts of ServiceEntries
	pods      []*workload
	configs   []*manifest.Document // ConfigMaps
	spaces    []*manifest.Document // Namespaces
	jwt       []*manifest.Document // RequestAuthentications

	foreignRoutes bool // there are routes of the Gateway API, which are not read

	findings []Finding
	counts   map[string]int
}

// A need is what has to be among the files for a check to make sense.
type need string

const (
	needRules    need = "rules"
	needFilter   need = "EnvoyFilter with ext_proc"
	needRoutes   need = "VirtualService"
	needSubsets  need = "DestinationRule"
	needGateways need = "Gateway"
	needServices need = "Service"
	needPods     need = "Deployment or other workload"
	needServe    need = "container that runs tagproc serve"
	needConfigs  need = "ConfigMap"
	needSpaces   need = "Namespace"
)

// lacks returns which of needs the files do not have.
func (m *model) lacks(needs []need) (lacking []string) {
	have := map[need]bool{
		needRules: len(m.rules) > 0, needFilter: len(m.filters) > 0, needRoutes: len(m.virtual) > 0,
		needSubsets: len(m.subsets) > 0, needGateways: len(m.gateways) > 0, needServices: len(m.services) > 0,
		needPods: len(m.pods) > 0, needServe: len(m.servers()) > 0, needConfigs: len(m.configs) > 0, needSpaces: len(m.spaces) > 0,
	}
	for _, n := range needs {
		if !have[n] {
			lacking = append(lacking, string(n))
		}
	}
	return lacking
}

// seen counts what there is.
func (m *model) seen() []Seen {
	seen := []Seen{}
	for _, kind := range slices.Concat([]string{kindRules}, readers.kinds(), []string{kindOther}) {
		if n := m.counts[kind]; n > 0 {
			seen = append(seen, Seen{kind, n})
		}
	}
	return seen
}

// What is counted beside the kinds of Kubernetes.
const (
	kindRules = "rules"
	kindOther = "other"
)

// A reader adds a document of one kind to a model.
type reader struct {
	kind  string
	group string // the API group
	read  func(m *model, d *manifest.Document)
}

type readerTable []reader

func (t readerTable) kinds() (kinds []string) {
	for _, r := range t {
		kinds = append(kinds, r.kind)
	}
	return kinds
}

// readers are the kinds that checks look at.
var readers = readerTable{
	{"EnvoyFilter", "networking.istio.io", (*model).addEnvoyFilter},
	{"Gateway", "networking.istio.io", (*model).addGateway},
	{"VirtualService", "networking.istio.io", (*model).addVirtualService},
	{"DestinationRule", "networking.istio.io", (*model).addDestinationRule},
	{"ServiceEntry", "networking.istio.io", (*model).addServiceEntry},
	{"RequestAuthentication", "security.istio.io", func(m *model, d *manifest.Document) { m.jwt = append(m.jwt, d) }},
	{"WasmPlugin", "extensions.istio.io", (*model).addWasmPlugin},
	{"HTTPRoute", "gateway.networking.k8s.io", func(m *model, _ *manifest.Document) { m.foreignRoutes = true }},
	{"ConfigMap", "", (*model).addConfigMap},
	{"Namespace", "", func(m *model, d *manifest.Document) { m.spaces = append(m.spaces, d) }},
	{"Service", "", (*model).addService},
	{"Deployment", "apps", (*model).addWorkload},
	{"StatefulSet", "apps", (*model).addWorkload},
	{"DaemonSet", "apps", (*model).addWorkload},
	{"ReplicaSet", "apps", (*model).addWorkload},
	{"Rollout", "argoproj.io", (*model).addWorkload},
	{"Pod", "", (*model).addWorkload},
}

// read makes a model of files.
func read(files []File, o rules.Options) *model {
	m := &model{counts: map[string]int{}}
	var docs []*manifest.Document
	for _, f := range files {
		if base := path.Base(f.Name); base == "kustomization.yaml" || base == "kustomization.yml" {
			m.findings = append(m.findings, Finding{
				rules.Problem{
					File: f.Name, Severity: rules.Warning, Kind: kindKustomization,
					Message: "the files of a kustomization are patches and parts, and not what is applied",
				},
				fmt.Sprintf("give lint what it makes: kubectl kustomize %s | tagproc lint -", path.Dir(f.Name)),
			})
			continue
		}
		ds, problems := manifest.Read(f.Name, f.Source)
		docs = append(docs, ds...)
		m.tell(problems)
	}
	docs = m.applied(docs)
	for n, d := range docs {
		if d.Kind == "" {
			m.addBare(d)
			m.joinPropagation(docs[n+1:])
			continue
		}
		i := slices.IndexFunc(readers, func(r reader) bool { return r.kind == d.Kind && r.group == d.Group() })
		if i < 0 {
			m.counts[kindOther]++
			continue
		}
		m.counts[d.Kind]++
		readers[i].read(m, d)
		if d.Kind == "WasmPlugin" {
			m.joinPropagation(docs[n+1:])
		}
	}
	m.loadRules(o)
	m.keepTagproc()
	return m
}

// applied returns what is there after all objects have been applied in their
// order.
func (m *model) applied(docs []*manifest.Document) (last []*manifest.Document) {
	latest := map[string]*manifest.Document{}
	id := func(d *manifest.Document) string {
		return fmt.Sprintf("%s/%s/%s/%s", d.Group(), d.Kind, namespace(d), d.Name)
	}
	for _, d := range docs {
		latest[id(d)] = d
	}
	for _, d := range docs {
		switch winner := latest[id(d)]; {
		case d.Kind == "" || winner == d:
			last = append(last, d)
		default:
			m.add(place{doc: d}, rules.Warning, kindDuplicate,
				fmt.Sprintf("%s is also in %s: the one that is applied last replaces the others, and the rest of lint looks at that one", d.ID(), place{doc: winner}),
				"name the files that are in force together, and no others")
		}
	}
	return last
}

func (m *model) tell(ps rules.Problems) {
	for _, p := range ps {
		m.findings = append(m.findings, Finding{Problem: p})
	}
}

func (m *model) add(at place, s rules.Severity, k rules.Kind, why, fix string) {
	m.findings = append(m.findings, Finding{at.problem(s, k, why), fix})
}

// namespace returns where d is: kubectl's default where it does not say.
func namespace(d *manifest.Document) string {
	if d.Namespace == "" {
		return "default"
	}
	return d.Namespace
}

// id returns for example "VirtualService default/mocka", the namespace included.
func id(d *manifest.Document) string {
	return d.Kind + " " + namespace(d) + "/" + d.Name
}

// clusterDomain ends the full names of Services.
const clusterDomain = ".svc.cluster.local"

// rootNamespace is where Istio keeps what holds for every namespace.
const rootNamespace = "istio-system"

// fullHost returns a host as Istio reads it in an object of a namespace: only names
// without a dot are completed.
func fullHost(host, namespace string) string {
	host = strings.ToLower(host)
	if host == "*" || host == "" || strings.Contains(host, ".") {
		return host
	}
	return host + "." + namespace + clusterDomain
}

// splitHost returns the name and namespace of a Service by its full name, or "".
func splitHost(host string) (name, namespace string) {
	rest, ok := strings.CutSuffix(host, clusterDomain)
	if !ok {
		return "", ""
	}
	name, namespace, _ = strings.Cut(rest, ".")
	return name, namespace
}

// contains reports whether labels has all of selector.
func contains(labels, selector map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// labelText writes labels as kubectl takes them, in order.
func labelText(labels map[string]string) string {
	var pairs []string
	for k, v := range labels {
		pairs = append(pairs, k+"="+v)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
