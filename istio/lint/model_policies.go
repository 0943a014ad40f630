package lint

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/source"
)

// A networkPolicy is a NetworkPolicy, with what checks look at: who comes in.
type networkPolicy struct {
	place

	Pods    selector  `yaml:"podSelector"`
	Types   []string  `yaml:"policyTypes"`
	Ingress []ingress `yaml:"ingress"`
}

type ingress struct {
	From []struct {
		Pods   *selector  `yaml:"podSelector"`
		Spaces *selector  `yaml:"namespaceSelector"`
		Block  *yaml.Node `yaml:"ipBlock"`
	} `yaml:"from"`
	Ports []policyPort `yaml:"ports"`
}

type policyPort struct {
	Protocol string `yaml:"protocol"`
	Port     string `yaml:"port"` // a number or the name of a port
	End      int    `yaml:"endPort"`
}

// A selector selects by labels. What it says in expressions is not looked at.
type selector struct {
	Labels      map[string]string `yaml:"matchLabels"`
	Expressions []yaml.Node       `yaml:"matchExpressions"`
}

func (m *model) addNetworkPolicy(d *source.Document) {
	p := &networkPolicy{place: place{doc: d}}
	_ = d.Get("spec").Decode(p) // what is not as it should be stays empty
	m.networks = append(m.networks, p)
}

// selects reports whether the policy is for pods; surely says that no expression
// may leave them out.
func (p *networkPolicy) selects(w *workload) (is, surely bool) {
	if namespace(p.doc) != namespace(w.doc) || len(p.Types) > 0 && !slices.Contains(p.Types, "Ingress") {
		return false, false
	}
	return contains(w.Metadata.Labels, p.Pods.Labels), len(p.Pods.Expressions) == 0
}

// admits reports whether the policy may let a caller in at a port of tagproc.
func (p *networkPolicy) admits(m *model, c caller, to *container, port int) bool {
	return slices.ContainsFunc(p.Ingress, func(i ingress) bool {
		isPort := func(p policyPort) bool {
			first := to.port(p.Port)
			return (p.Protocol == "" || p.Protocol == "TCP") && (p.Port == "" || first <= port && port <= max(first, p.End))
		}
		if len(i.Ports) > 0 && !slices.ContainsFunc(i.Ports, isPort) {
			return false
		}
		if len(i.From) == 0 {
			return true
		}
		for _, from := range i.From {
			if from.Block != nil || c.isIn(m, namespace(p.doc), from.Spaces) && (from.Pods == nil || c.has(from.Pods.Labels)) {
				return true
			}
		}
		return false
	})
}

// An authorizationPolicy is an AuthorizationPolicy.
type authorizationPolicy struct {
	place

	Selector struct {
		Labels map[string]string `yaml:"matchLabels"`
	} `yaml:"selector"`
	Targets []yaml.Node         `yaml:"targetRefs"`
	Action  string              `yaml:"action"`
	Rules   []authorizationRule `yaml:"rules"`
}

type authorizationRule struct {
	From []struct {
		Source map[string][]string `yaml:"source"`
	} `yaml:"from"`
	To []struct {
		Operation map[string][]string `yaml:"operation"`
	} `yaml:"to"`
}

func (m *model) addAuthorizationPolicy(d *source.Document) {
	p := &authorizationPolicy{place: place{doc: d}}
	_ = d.Get("spec").Decode(p) // what is not as it should be stays empty
	m.authorizations = append(m.authorizations, p)
}

// selects reports whether the policy is for the pods and admits callers: all others are
// then kept out.
func (p *authorizationPolicy) selects(w *workload) bool {
	space := namespace(p.doc)
	return (p.Action == "" || p.Action == "ALLOW") && len(p.Targets) == 0 &&
		(space == namespace(w.doc) || space == rootNamespace) && contains(w.Metadata.Labels, p.Selector.Labels)
}

// admits reports whether a rule may be for a caller, at a port.
func (p *authorizationPolicy) admits(c caller, port int) bool {
	return slices.ContainsFunc(p.Rules, func(r authorizationRule) bool {
		at := len(r.To) == 0
		for _, to := range r.To {
			ports := to.Operation["ports"]
			at = at || len(ports) == 0 || slices.Contains(ports, strconv.Itoa(port))
		}
		from := len(r.From) == 0
		for _, f := range r.From {
			from = from || c.isSource(f.Source)
		}
		return at && from
	})
}

// A caller is the pods of a gateway that asks tagproc.
type caller struct {
	at     place
	labels map[string]string
	// What is not known is "", unless the pods are there.
	namespace, account string
	pods               bool              // the labels are all that they have
	selector           map[string]string // the labels that name them
}

// callers returns the pods that a filter is for, or what is known of them where they
// are not among the files.
func (m *model) callers(f *extProc) (cs []caller) {
	labels, space := f.filter.GetWorkloadSelector().GetLabels(), namespace(f.doc)
	for _, w := range m.gatewayPods() {
		if !contains(w.Metadata.Labels, labels) || space != rootNamespace && namespace(w.doc) != space {
			continue
		}
		c := caller{at: w.place, labels: w.Metadata.Labels, namespace: namespace(w.doc), account: w.Spec.Account, pods: true, selector: labels}
		if c.account == "" {
			c.account = "default"
		}
		if len(c.selector) == 0 {
			c.selector = c.labels
		}
		cs = append(cs, c)
	}
	if len(cs) == 0 && len(labels) > 0 {
		c := caller{at: f.in(), labels: labels, selector: labels}
		if space != rootNamespace {
			c.namespace = space
		}
		cs = append(cs, c)
	}
	return cs
}

// has reports whether the pods may have labels.
func (c caller) has(labels map[string]string) bool {
	if c.pods {
		return contains(c.labels, labels)
	}
	return agree(c.labels, labels)
}

// isIn reports whether the pods may be in a namespace that is selected; nil selects the
// namespace of the policy.
func (c caller) isIn(m *model, own string, spaces *selector) bool {
	if spaces == nil {
		return c.namespace == "" || c.namespace == own
	}
	known := map[string]string{"kubernetes.io/metadata.name": c.namespace}
	if c.namespace == "" {
		return true
	}
	for _, d := range m.spaces {
		if d.Name == c.namespace {
			maps.Copy(known, d.Labels)
			return contains(known, spaces.Labels)
		}
	}
	return agree(known, spaces.Labels)
}

// isSource reports whether the pods may be a source, by its principals and namespaces. Its
// other conditions are not looked at.
func (c caller) isSource(source map[string][]string) bool {
	if spaces := source["namespaces"]; len(spaces) > 0 && c.namespace != "" &&
		!slices.ContainsFunc(spaces, func(s string) bool { return hasPattern(s, c.namespace) }) {
		return false
	}
	principals := source["principals"]
	return len(principals) == 0 || c.namespace == "" || slices.ContainsFunc(principals, func(p string) bool {
		if c.account == "" {
			return strings.Contains(p, "/ns/"+c.namespace+"/") || !strings.Contains(p, "/ns/")
		}
		_, own, _ := strings.Cut(p, "/ns/")
		return hasPattern(p, "cluster.local"+c.principal()) || own != "" && hasPattern("/ns/"+own, c.principal())
	})
}

// principal returns the identity of the pods behind the trust domain.
func (c caller) principal() string { return "/ns/" + c.namespace + "/sa/" + c.account }

// hasPattern reports whether text is what Istio's pattern says, which may begin or
// end with a *.
func hasPattern(pattern, text string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(text, suffix)
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(text, prefix)
	}
	return text == pattern
}
