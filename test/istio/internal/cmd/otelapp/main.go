// Command otelapp is a hop of a chain as OpenTelemetry's instrumentation makes one: it
// reads no header and writes none, and what it passes on is what otelhttp passes on
// with the propagators tracecontext and baggage. Its environment and its answers are
// those of the sample application, deploy/samples/app, except forward, which it does
// not have.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tagproc/tagproc/internal/chain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "otelapp:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then until the requests in flight are answered.
func run(ctx context.Context) error {
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	a := &app{
		name: os.Getenv("app"), version: os.Getenv("version"), next: os.Getenv("next"),
		client: &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)},
	}
	server := &http.Server{Addr: ":8000", Handler: otelhttp.NewHandler(a, a.name), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServe() }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Shutdown(limit)
}

// app is one version of one application.
type app struct {
	name, version string
	next          string // the URL that it calls; empty: the chain's end
	client        *http.Client
}

// ServeHTTP answers with the hops from here on.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	trace := chain.Trace{chain.NewHop(a.name, a.version, r)}
	if a.next != "" {
		behind, err := a.call(r.Context())
		if err != nil {
			http.Error(w, fmt.Sprintf("%s couldn't call %s: %v", a.name, a.next, err), http.StatusBadGateway)
			return
		}
		trace = append(trace, behind...)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(trace) // a write fails when the client is gone
}

// call asks the next application. The context is all that it gets of the request.
func (a *app) call(ctx context.Context) (chain.Trace, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.next, http.NoBody)
	if err != nil {
		return nil, err
	}
	return chain.Do(a.client, request)
}
