package istio

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"testing"

	"github.com/tagproc/tagproc/internal/chain"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/test/istio/cluster"
)

// A forgery is headers that a client made up, written as they stand.
type forgery struct {
	header  http.Header
	chooses bool // where nothing removes it
}

// TestForgedLanes checks that a client's tag chooses no lane.
func TestForgedLanes(t *testing.T) {
	t.Parallel()
	for _, release := range envoy.Versions() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := startLanes(t, release)
			w.sees(t, twentyPercent, jason)
			w.forge(t, []string{"bob", "jack", "jason", ""}, "deploy/envoyfilter/sidecar.yaml", []forgery{
				{http.Header{"x-asm-prefer-tag": {"s2"}}, true},
				{http.Header{"X-Asm-Prefer-Tag": {"s2"}}, true},
				{http.Header{"X-ASM-PREFER-TAG": {"s2"}}, true},
				{http.Header{"x-asm-prefer-tag": {"  s2"}}, true},
				{http.Header{"x-asm-prefer-tag": {"s2", "s2"}}, false},
				{http.Header{"x-asm-prefer-tag": {"s1", "s2"}}, false},
				{http.Header{"x-asm-prefer-tag": {"s2"}, "X-ASM-Prefer-Tag": {"s1"}}, false},
				{http.Header{"x-asm-prefer-tag": {"", "s2"}}, false},
				{http.Header{"x-asm-prefer-tag": {"s2,s1"}}, false},
			})
		})
	}
}

// TestForgedRatios checks that a client's tag chooses no version, with tag headers that
// the rules know by a prefix.
func TestForgedRatios(t *testing.T) {
	t.Parallel()
	w := begin(t, "2", cluster.Options{NoGateway: true})
	w.run(t, sidecarGateway+ratiosStep1+ratiosStep2+ratiosStep3+"kubectl apply -f deploy/samples/ratios/3-rules.yaml"+ratiosFilter)
	w.sees(t, ratiosThree, nil)
	w.run(t, "tagproc render envoyfilter --rules deploy/samples/ratios/rules.yaml >$HOME/filter.yaml")
	w.forge(t, []string{"0001", "0003", "0005", ""}, "$HOME/filter.yaml", []forgery{
		{http.Header{"appver-a": {"v2"}}, true},
		{http.Header{"AppVer-B": {"v2"}}, true},
		{http.Header{"APPVER-C": {"v3"}}, true},
		{http.Header{"appver-a": {"v2"}, "appver-b": {"v2"}, "appver-c": {"v3"}}, true},
		{http.Header{"appver-c": {"v3", "v3"}, "APPVER-C": {"v3"}}, false},
		{http.Header{"appver": {"v2"}, "appver-nobody": {"v2"}}, false},
	})
}

// forge sends forged requests beside honest ones, with tagproc up, with tagproc down,
// and without the filter, which is where clients are believed: a forgery that chooses
// nothing there would prove nothing.
func (w *walk) forge(t *testing.T, users []string, filter string, forgeries []forgery) {
	t.Helper()
	w.unmoved(t, "tagproc is up", users, forgeries)

	up := w.Down(t, cluster.SystemNamespace, "istio-ingressgateway", "tagproc")
	for _, user := range users {
		w.Eventually(t, "tagproc is down", func() error {
			trace, err := w.send(t, user, nil)
			if err == nil && user != "jason" && len(trace[0].Tags) > 0 {
				err = fmt.Errorf("%q still gets the tags %v", user, trace[0].Tags)
			}
			return err
		})
	}
	w.unmoved(t, "tagproc is down", users, forgeries)
	up()

	w.run(t, "kubectl delete -f "+filter)
	for _, f := range forgeries {
		if !f.chooses {
			continue
		}
		w.Eventually(t, "without a filter a client is believed", func() error {
			honest, err := w.send(t, "", nil)
			forged, err2 := w.send(t, "", f.header)
			if err := errors.Join(err, err2); err != nil {
				return err
			}
			if maps.Equal(honest.Versions(), forged.Versions()) {
				return fmt.Errorf("%v chose nothing: %v", f.header, forged)
			}
			return nil
		})
	}
}

// unmoved checks that each forgery of each user is answered, and seen by each hop, as
// the user's honest request.
func (w *walk) unmoved(t *testing.T, when string, users []string, forgeries []forgery) {
	t.Helper()
	send := func(user string, header http.Header) chain.Trace {
		t.Helper()
		trace, err := w.send(t, user, header)
		if err != nil {
			t.Fatalf("%s: %q with %v: %v", when, user, header, err)
		}
		return trace
	}
	for _, user := range users {
		honest := send(user, nil)
		for _, f := range forgeries {
			forged := send(user, f.header)
			for n := 0; !reflect.DeepEqual(forged, honest) && n < cluster.Patience && w.GaveUp(); n++ {
				honest, forged = send(user, nil), send(user, f.header)
			}
			if !reflect.DeepEqual(forged, honest) {
				t.Errorf("%s: %q with %v reached %+v, and without it %+v", when, user, f.header, forged, honest)
			}
		}
	}
}

// send sends a request with headers as they stand, in their case and number.
func (w *walk) send(t *testing.T, user string, header http.Header) (chain.Trace, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.GatewayAddress(t)+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(request.Header, header)
	if user != "" {
		request.Header.Set("x-user-id", user)
	}
	return chain.Do(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, request)
}
