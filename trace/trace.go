package trace

import (
	"fmt"
	"strings"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A Way is the way of a request through Envoys. Its JSON is that of tagproc trace -o json.
type Way struct {
	Hops []Hop `json:"hops"`
}

// Certain reports whether nothing about the last hop is left open.
func (w *Way) Certain() bool {
	for _, h := range w.Hops {
		if len(h.CannotTell) > 0 {
			return false
		}
	}
	return true
}

// A Hop is what happens at one Envoy.
type Hop struct {
	Name     string `json:"name"`
	Listener Place  `json:"listener"`
	// Request is the request as the routes of this hop saw it last.
	Request Request `json:"request"`
	// Tagproc is what tagproc is sent and answers; nil if the listener does not ask it, or
	// without rules.
	Tagproc *Tagproc `json:"tagproc,omitempty"`
	// Host is the virtual host; nil: none.
	Host *Host `json:"host,omitempty"`
	// Passed are the routes that stand before the one taken, in order, and why they are
	// not taken, or may be.
	Passed []Passed `json:"passed"`
	// Route is the one taken; nil: none.
	Route *Place `json:"route,omitempty"`
	// Behind are routes that would take the request too, and never get one: the route that
	// is taken stands before them, and takes all that they would.
	Behind []Place `json:"behind,omitempty"`
	// Clusters are where it leads: one, or several by weight; none where Envoy answers.
	Clusters []Cluster `json:"clusters"`
	// Status is that of Envoy's own answer; absent: a cluster is asked.
	Status int `json:"status,omitempty"`
	// Why says why Envoy answers itself.
	Why string `json:"why,omitempty"`
	// CannotTell says what is left open: with it, the route may be another one.
	CannotTell []string `json:"cannotTell"`
	// NotChecked names HTTP filters whose effect on the request is not modelled.
	NotChecked []string `json:"notChecked"`
}

// A Place is a named part of a configuration and where it stands.
type Place struct {
	Name string `json:"name"`
	At   string `json:"at"` // file:line:col
}

// A Request is a request at a hop.
type Request struct {
	Method    string           `json:"method"`
	Authority string           `json:"authority"`
	Path      string           `json:"path"`
	Headers   []explain.Header `json:"headers"`
}

// A Host is the virtual host that takes a request, and by which of its domains.
type Host struct {
	Place

	Domain string `json:"domain"`
}

// A Passed is a route before the one taken.
type Passed struct {
	Place

	Maybe bool   `json:"maybe,omitempty"` // it may be taken: it cannot be told
	Why   string `json:"why"`
}

// A Cluster is where a route leads.
type Cluster struct {
	Place

	Weight  uint32 `json:"weight"`
	Missing bool   `json:"missing,omitempty"` // the configuration has no such cluster: requests get 503, or Envoy refuses it
}

// A Stop is an Envoy on the way.
type Stop struct {
	Name     string // for people
	Host     string // the authority that it is asked for; "": that of the request
	Config   *envoyconf.Config
	Listener *envoyconf.Listener
}

// Run returns the way of a request through stops, in their order. Applications between
// them are taken to forward all headers. Without a table nothing is known of what tagproc
// decides.
func Run(stops []Stop, t *rules.Table, request envoyconf.Request) *Way {
	w := &Way{}
	for _, s := range stops {
		var h Hop
		h, request = Through(s, t, request)
		w.Hops = append(w.Hops, h)
	}
	return w
}

// Through returns what happens to a request at one Envoy, and the request as it goes on from
// there.
func Through(s Stop, t *rules.Table, request envoyconf.Request) (Hop, envoyconf.Request) {
	if s.Host != "" {
		request.Authority = s.Host
	}
	h := hop{stop: s, table: t}
	h.run(&request)
	if h.sent == nil {
		return h.Hop, request
	}
	return h.Hop, *h.sent
}

// A hop is one that is being worked out.
type hop struct {
	Hop

	stop  Stop
	table *rules.Table
	sent  *envoyconf.Request
}

func (h *hop) run(request *envoyconf.Request) {
	h.Name, h.Listener = h.stop.Name, place(h.stop.Listener.GetName(), h.stop.Listener.Value)
	h.Passed, h.Clusters, h.CannotTell, h.NotChecked = []Passed{}, []Cluster{}, []string{}, []string{}
	r := h.stop.Listener.Trace(request)
	r = h.filters(r)
	h.CannotTell = append(h.CannotTell, r.Doubts...)
	h.Status, h.Why = r.Status, r.Why
	if r.Request == nil {
		h.Request = requestOf(request)
		if r.Why != "" {
			h.CannotTell = append(h.CannotTell, r.Why)
		}
		return
	}
	h.Request = requestOf(r.Request)
	if r.Host != nil {
		h.Host = &Host{place(r.Host.GetName(), r.Host.Value), r.Domain}
	}
	for _, tried := range r.Tried {
		if tried.Answer == envoyconf.Yes {
			continue
		}
		p := Passed{place(nameOf(tried.Route), tried.Route.Value), tried.Answer == envoyconf.Maybe, tried.Why}
		h.Passed = append(h.Passed, p)
		if p.Maybe {
			h.CannotTell = append(h.CannotTell, fmt.Sprintf("whether route %s is taken: %s", p.Name, p.Why))
		}
	}
	if r.Route == nil {
		return
	}
	at := place(nameOf(r.Route), r.Route.Value)
	h.Route = &at
	for _, later := range r.Behind() {
		h.Behind = append(h.Behind, place(nameOf(later), later.Value))
	}
	h.target(r.Route.Target(r.Request))
	h.sent = r.Sent()
}

func (h *hop) target(t envoyconf.Target) {
	if h.Status = t.Status; t.Open != "" {
		h.CannotTell = append(h.CannotTell, "which cluster: "+t.Open)
	}
	switch {
	case t.Status >= 500:
		h.Why = "the request has no header that names the cluster"
	case t.Status != 0:
		h.Why = "the route answers itself"
	}
	for _, c := range t.Clusters {
		missing := h.stop.Config.AllClusters && h.stop.Config.Cluster(c.Cluster) == nil
		h.Clusters = append(h.Clusters, Cluster{place(c.Cluster, c.At), c.Weight, missing})
	}
}

func place(name string, at source.Value) Place { return Place{name, at.Place().String()} }

// nameOf returns the name of a route, or its number.
func nameOf(r *envoyconf.Route) string {
	if r.GetName() != "" {
		return r.GetName()
	}
	return fmt.Sprint(r.Index + 1)
}

func requestOf(r *envoyconf.Request) Request {
	out := Request{r.Method, r.Authority, r.Path, []explain.Header{}}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, explain.Header{Name: strings.ToLower(h.Name), Value: h.Value})
	}
	return out
}
