package mesh

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/trace"
)

// A Chain is a request through applications that call each other.
type Chain struct {
	Hops []Link `json:"hops"`
	// Why says why the chain ends before its last application; "": it does not.
	Why string `json:"why,omitempty"`
}

// A Link is an Envoy on the way, and the pods that it sends the request to.
type Link struct {
	trace.Hop

	App      string   `json:"app"`      // that is reached
	Versions []string `json:"versions"` // one, or several by chance
	Pods     []string `json:"pods"`     // the workloads, as namespace/name
}

// Line is the chain as "-> mocka(v1) -> mockb(v1) -> mockc(v2)".
func (c *Chain) Line() string {
	var b strings.Builder
	for i, l := range c.Hops {
		if len(l.Versions) == 0 {
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "-> %s(%s)", l.App, strings.Join(l.Versions, " or "))
	}
	if c.Why != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("-> " + c.Why)
	}
	return b.String()
}

// Certain reports whether nothing of the chain is left open.
func (c *Chain) Certain() bool {
	for _, l := range c.Hops {
		if len(l.CannotTell) > 0 || len(l.Versions) != 1 {
			return false
		}
	}
	return c.Why == ""
}

// Chain follows a request from an Envoy through applications: each asks the next one of
// calls by its name, or as "HOST:PORT", with the headers that it was asked with. The first
// of calls is what the Envoy's routes lead to.
func (e *Envoys) Chain(from *Envoy, t *rules.Table, r envoyconf.Request, calls []string) *Chain {
	c := &Chain{}
	for i, call := range calls {
		if i > 0 {
			r.Authority, r.Path, r.Method = call, "/", "GET"
		}
		if i > 0 && !strings.Contains(call, ":") {
			r.Authority = from.withPort(call)
		}
		s, open := from.Stop(r)
		if open != nil {
			c.Why = open.Error()
			return c
		}
		h, sent := trace.Through(s, t, r)
		link := Link{Hop: h, App: strings.SplitN(strings.SplitN(call, ":", 2)[0], ".", 2)[0], Versions: []string{}, Pods: []string{}}
		pods, why := from.reached(h)
		for _, w := range pods {
			link.Pods = append(link.Pods, w.String())
			if !slices.Contains(link.Versions, versionOf(w)) {
				link.Versions = append(link.Versions, versionOf(w))
			}
		}
		c.Hops = append(c.Hops, link)
		switch {
		case why != "":
			c.Why = why
			return c
		case !slices.ContainsFunc(pods, func(w *Workload) bool { return w.App() == link.App || strings.HasPrefix(w.Name, link.App) }):
			c.Why = fmt.Sprintf("%s answers, and not %s", pods[0].App(), link.App)
			return c
		}
		r = sent
		if i+1 == len(calls) {
			break
		}
		if from = e.of(pods[0]); from == nil {
			c.Why = fmt.Sprintf("%s has no Envoy: what it calls is not routed", pods[0])
			return c
		}
	}
	return c
}

func versionOf(w *Workload) string {
	if v := w.Version(); v != "" {
		return v
	}
	return w.Name
}

// of returns the Envoy of a workload, or nil.
func (e *Envoys) of(w *Workload) *Envoy {
	for _, one := range e.All {
		if one.Workload == w {
			return one
		}
	}
	return nil
}

// reached returns the pods to which an Envoy sends a request, or why there are none.
func (one *Envoy) reached(h trace.Hop) (pods []*Workload, why string) {
	if h.Status != 0 {
		return nil, fmt.Sprintf("%d: %s", h.Status, h.Why)
	}
	if len(h.Clusters) == 0 {
		return nil, "cannot tell: " + strings.Join(append(h.CannotTell, h.Why), "; ")
	}
	for _, c := range h.Clusters {
		if c.Missing {
			return nil, fmt.Sprintf("503: there is no cluster %s", c.Name)
		}
		behind := one.endpoints[c.Name]
		if len(behind) == 0 {
			return nil, fmt.Sprintf("503: the cluster %s has no pods", c.Name)
		}
		pods = append(pods, behind...)
	}
	return pods, ""
}

// withPort returns a host with the port at which an Envoy has routes for it: the first
// one, where it has several.
func (one *Envoy) withPort(host string) string {
	for _, l := range one.Config.Listeners {
		for _, c := range l.Chains {
			if c.HTTP == nil || c.HTTP.Routes == nil {
				continue
			}
			if h, domain := c.HTTP.Routes.Host(host); h != nil && !strings.HasPrefix(domain, "*") {
				return fmt.Sprintf("%s:%d", host, l.GetAddress().GetSocketAddress().GetPortValue())
			}
		}
	}
	return host
}

// Calls returns who calls whom by what lanes say: the services of a lane group, in their
// order.
func (m *Manifests) Calls() ([]string, error) {
	for _, d := range m.Docs {
		list := d.Get("services")
		if !d.Get("laneGroup").Exists() && !strings.HasPrefix(d.Kind, "ASMSwimLaneGroup") {
			continue
		}
		if d.Kind != "" {
			list = d.Get("spec", "services")
		}
		var calls []string
		for _, s := range list.Elements() {
			name := s.Text()
			if name == "" {
				name = s.Text("name")
			}
			calls = append(calls, name)
		}
		if len(calls) > 0 {
			return calls, nil
		}
	}
	return nil, errors.New("expected --calls mocka,mockb,mockc: no lanes file among the files says which applications call each other")
}
