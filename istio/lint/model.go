package lint

import (
	"maps"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/source"
)

// A model is what the files say, as far as checks look at it.
type model struct {
	rules    []*ruleSet
	filters  []*extProc
	writers  []*cookieWriter
	managers []*manager
	clusters []*cluster
	inserted []string // names of HTTP filters that files add to Istio's
	services []*service
	pods     []*workload
	configs  []*source.Document // ConfigMaps

	judged    lint.Model
	envoyDocs []*source.Document // configurations of Envoy, until they are read

	index    index
	findings []readFinding
	counts   map[string]int  // by kind, what checks look at
	others   map[string]int  // by kind, what none does
	ofIstio  map[string]int  // by kind, what only Istio can read
	swept    map[string]bool // files of directories
}

// A readFinding is one of reading, and the document that it is about, or nil.
type readFinding struct {
	Finding

	doc *source.Document
}

// A need is what has to be among the files for a check to make sense.
type need string

const (
	needRules    need = "rules"
	needFilter   need = "EnvoyFilter with ext_proc"
	needServices need = "Service"
	needPods     need = "Deployment or other workload"
	needServe    need = "container that runs tagproc serve"
	needConfigs  need = "ConfigMap"
	needEnvoy    need = "configuration of Envoy" // what lacks it is not spoken of
)

// lacks returns which of needs the files do not have.
func (m *model) lacks(needs []need) (lacking []string) {
	have := map[need]bool{
		needRules: len(m.rules) > 0, needFilter: m.judged.Has(lint.NeedSide),
		needServices: len(m.services) > 0,
		needPods:     len(m.pods) > 0, needServe: len(m.servers()) > 0, needConfigs: len(m.configs) > 0,
		needEnvoy: len(m.judged.Envoys) > 0,
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
	for _, kind := range slices.Concat([]string{kindRules, kindEnvoy}, readers.kinds()) {
		if n := m.counts[kind]; n > 0 {
			seen = append(seen, Seen{Kind: kind, Count: n})
		}
	}
	other := Seen{Kind: kindOther}
	for _, what := range slices.Sorted(maps.Keys(m.others)) {
		other.Count += m.others[what]
		other.Of = append(other.Of, Seen{Kind: what, Count: m.others[what]})
	}
	if other.Count > 0 {
		seen = append(seen, other)
	}
	return seen
}

// forMesh counts the objects whose meaning is Istio's alone.
func (m *model) forMesh() []Seen {
	seen := []Seen{}
	for _, kind := range slices.Sorted(maps.Keys(m.ofIstio)) {
		seen = append(seen, Seen{Kind: kind, Count: m.ofIstio[kind]})
	}
	return seen
}

// What is counted beside the kinds of Kubernetes.
const (
	kindRules = "rules"
	kindOther = "other"
)

// What has no kind, as it is counted.
const (
	noKind       = "document without a kind"
	noMapping    = "list or text"
	lanesFile    = "lanes file"
	envoyConfig  = "configuration of Envoy" // that asks nobody, or a part of one
	templateFile = "template"
)

// namespace returns where d is: kubectl's default where it does not say.
func namespace(d *source.Document) string {
	if d.Namespace == "" {
		return "default"
	}
	return d.Namespace
}

// id returns for example "VirtualService default/mocka", the namespace included.
func id(d *source.Document) string {
	return d.Kind + " " + namespace(d) + "/" + d.Name
}

// clusterDomain ends the full names of Services.
const clusterDomain = ".svc.cluster.local"

// rootNamespace is where Istio keeps what holds for every namespace.
const rootNamespace = "istio-system"

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
