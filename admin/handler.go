package admin

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options are the settings of Handler.
type Options struct {
	// Pprof adds /debug/pprof, the profiles of net/http/pprof: whoever may ask for
	// one sees the process from inside, and slows it down meanwhile.
	Pprof bool
}

// Handler serves /healthz, which answers 200 as long as the process can answer;
// /readyz, which answers 200 when ready returns nil and else 503 with its text;
// and /metrics.
func Handler(metrics prometheus.Gatherer, ready func() error, o Options) http.Handler {
	index := "tagproc\n\n/healthz  the process answers\n/readyz   rules are live, and it is not draining\n/metrics  for Prometheus\n"
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
	if o.Pprof {
		index += "/debug/pprof/  profiles of the process\n"
		mux.HandleFunc("GET /debug/pprof/", pprof.Index) // serves the named profiles too
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, index)
	})
	return mux
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the peer has gone: there is nobody to tell
}
