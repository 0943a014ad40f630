package admin

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options are the settings of Handler.
type Options struct {
	// Pprof adds /debug/pprof, the profiles of net/http/pprof. Whoever asks for one sees
	// the process from inside, and slows it down meanwhile.
	Pprof bool

	// Hosts are names that requests may have as their Host, besides addresses,
	// localhost and names that only a cluster resolves: see [Handler].
	Hosts []string

	// Replica is shown by /state and /explain; nil: these pages are not there.
	Replica *Replica
}

// Handler serves /healthz, which answers 200 as long as the process can answer;
// /readyz, which answers 200 when ready returns nil and else 503 with its text;
// and /metrics. These accept any Host, for probes and Prometheus. GET /state and
// POST /explain answer for o.Replica as JSON: a [state.State], and an [explain.Decision]
// for an [explain.Question]; GET /replicas for all replicas, a [state.Replicas]. Pages for browsers
// accept only Hosts that are addresses, localhost, names without a dot, names under svc
// and svc.cluster.local, and o.Hosts; any other gets a 421.
func Handler(metrics prometheus.Gatherer, ready func() error, o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			writeText(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
		writeText(w, http.StatusOK, "ready\n")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))

	page := func(pattern string, handler http.HandlerFunc) { mux.Handle(pattern, checkHost(o.Hosts, handler)) }
	index := "tagproc\n\n/healthz  the process answers\n/readyz   rules are live, and it is not draining\n/metrics  for Prometheus\n"
	if o.Replica != nil {
		index += "/         for browsers (Accept: text/html): all of it on a page\n/state    the live rules, reloads and the last hour's requests, as JSON\n/replicas  whether all replicas agree, as JSON, with --peers\n/explain  why a request gets its tags: POST it as JSON\n"
		o.Replica.pages(page)
	}
	if o.Pprof {
		index += "/debug/pprof/  profiles of the process\n"
		page("GET /debug/pprof/", pprof.Index) // serves the named profiles too
		page("GET /debug/pprof/cmdline", pprof.Cmdline)
		page("GET /debug/pprof/profile", pprof.Profile)
		page("GET /debug/pprof/symbol", pprof.Symbol)
		page("POST /debug/pprof/symbol", pprof.Symbol)
		page("GET /debug/pprof/trace", pprof.Trace)
	}
	page("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if o.Replica != nil && wantsHTML(r) {
			o.Replica.show(w)
			return
		}
		writeText(w, http.StatusOK, index)
	})
	return boundTarget(mux)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // fails only if the peer has gone
}
