package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/chain"
	"github.com/tagproc/tagproc/mesh/control"
)

// A Row is a request through the gateway and its expected answer.
type Row struct {
	User   string            // x-user-id; empty: without one
	Header map[string]string // more headers, such as a forged tag
	Host   string            // empty: the gateway's address

	Versions map[string]string // who has to answer: the version by application, no more and no less
	Tags     map[string]string // the tag headers that every hop has to see; nil: any
}

const (
	repeats = 5 // how often a row has to hold after it held for the first time

	// Patience is how often a request is sent again while an Envoy gives up waiting for
	// tagproc.
	Patience = 20
)

// GatewayAddress is the host:port of the Service istio-ingressgateway.
func (c *Cluster) GatewayAddress(t testing.TB) string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.services[control.Key{Kind: "Service", Namespace: SystemNamespace, Name: "istio-ingressgateway"}]
	if s == nil || !s.address.IsValid() {
		t.Fatal("there is no Service istio-ingressgateway in istio-system with an address")
	}
	return s.address.String() + ":80"
}

// Get sends a request through the gateway and returns the hops that answered. More
// headers come as name and value, one after the other. An answer other than 200 is a
// *chain.StatusError.
func (c *Cluster) Get(t testing.TB, user string, headers ...string) (chain.Trace, error) {
	t.Helper()
	row := Row{User: user, Header: map[string]string{}}
	for i := 0; i+1 < len(headers); i += 2 {
		row.Header[headers[i]] = headers[i+1]
	}
	return ask(t.Context(), c.GatewayAddress(t), row)
}

// ask sends a row's request.
func ask(ctx context.Context, gateway string, row Row) (chain.Trace, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+gateway+"/", nil)
	if err != nil {
		return nil, err
	}
	request.Host = row.Host
	if row.User != "" {
		request.Header.Set("x-user-id", row.User)
	}
	for name, value := range row.Header {
		request.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return chain.Do(client, request)
}

// Expect waits until every row holds, and then checks that each holds five times more:
// the result of a change of configuration must last.
func (c *Cluster) Expect(t testing.TB, rows ...Row) {
	t.Helper()
	if err := c.wait(func() error { return c.Check(t, rows...) }); err != nil {
		t.Fatal(err)
	}
	for range repeats {
		if err := c.Check(t, rows...); err != nil {
			t.Fatalf("held once, and then: %v", err)
		}
	}
}

// Check sends each row's request once, and again while an Envoy gives up waiting for
// tagproc, and returns how the answers differ from what the rows want.
func (c *Cluster) Check(t testing.TB, rows ...Row) error {
	t.Helper()
	gateway := c.GatewayAddress(t)
	var errs []error
	for _, row := range rows {
		err := check(t.Context(), gateway, row)
		for n := 0; err != nil && n < Patience && c.GaveUp(); n++ {
			err = check(t.Context(), gateway, row)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// check returns how an answer differs from what a row wants.
func check(ctx context.Context, gateway string, row Row) error {
	trace, err := ask(ctx, gateway, row)
	if err != nil {
		return fmt.Errorf("user %q: %w", row.User, err)
	}
	var errs []error
	if got := trace.Versions(); !maps.Equal(got, row.Versions) {
		errs = append(errs, fmt.Errorf("user %q: answered %v, want %v", row.User, got, row.Versions))
	}
	if row.Tags == nil {
		return errors.Join(errs...)
	}
	for _, hop := range trace {
		got := map[string]string{}
		for name, values := range hop.Tags {
			got[name] = strings.Join(values, " and ")
		}
		if !maps.Equal(got, row.Tags) {
			errs = append(errs, fmt.Errorf("user %q: %s saw the tags %v, want %v", row.User, hop.App, got, row.Tags))
		}
	}
	return errors.Join(errs...)
}
