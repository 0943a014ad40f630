package istio

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"github.com/tagproc/tagproc/test/istio/cluster"
)

const (
	serviceForm = `
kubectl apply -k deploy/kustomize/overlays/service
kubectl apply -f deploy/samples/lanes/4-rules.yaml
kubectl rollout status deployment/tagproc -n istio-system
`
	laneRoutes = `
kubectl apply -f deploy/samples/lanes/3-lanes.yaml
`
)

// startService comes to where deploy/samples/lanes is at 20%, in the service form.
func startService(t *testing.T) *walk {
	t.Helper()
	w := begin(t, "1", cluster.Options{})
	w.run(t, sampleApps+laneRoutes+serviceForm+"kubectl apply -f deploy/envoyfilter/service.yaml")
	w.sees(t, twentyPercent, jason)
	return w
}

// TestService checks that two replicas share the requests, and that one that dies
// takes none with it.
func TestService(t *testing.T) {
	t.Parallel()
	w := startService(t)

	// Envoy picks a replica for each stream, at random where none has more streams
	// than the other. Of 1,000 streams one replica then has 500 with a standard
	// deviation of 16: below 400 or above 600 is 6 of these away, which happens once in
	// some hundred million runs.
	const streams = 1000
	before := w.served(t)
	requests := w.startTraffic(t, "bob", "jack")
	requests.more(t, w, streams)
	requests.end(t)
	after := w.served(t)
	if len(after) != 2 {
		t.Fatalf("there are %d replicas, want 2", len(after))
	}
	total := 0.0
	for pod := range after {
		after[pod] -= before[pod]
		total += after[pod]
	}
	if total < streams {
		t.Fatalf("the replicas served %v streams, want at least %d", total, streams)
	}
	for pod, n := range after {
		t.Logf("%s served %v of %v streams", pod, n, total)
		if share := n / total; share < 0.4 || share > 0.6 {
			t.Errorf("%s served %.0f%% of %v streams, want 40 to 60%%", pod, 100*share, total)
		}
	}
}

// TestServiceReplicaDies checks that a replica that is killed takes no request with it,
// and no tag: Envoy asks the other one.
func TestServiceReplicaDies(t *testing.T) {
	t.Parallel()
	w := startService(t)
	requests := w.startTraffic(t, "jack")
	for range 3 {
		requests.more(t, w, 100)
		pod := w.Kill(t, cluster.SystemNamespace, "tagproc", "tagproc")
		requests.more(t, w, 100)
		w.Eventually(t, "the replica serves again", func() error {
			n, err := messages(w.Addresses(t, cluster.SystemNamespace, "tagproc")[pod])
			if err == nil && n == 0 {
				err = fmt.Errorf("%s has not served any stream yet", pod)
			}
			return err
		})
	}
	requests.end(t)

	untagged := uint64(0)
	for who, n := range requests.seen {
		if who != "jack: mocka v1 mockb v1 mockc v2" {
			untagged += uint64(n)
		}
	}
	// Late answers come from a busy machine, not from the loss of a replica.
	late := uint64(0)
	for _, n := range w.Stats(t, cluster.SystemNamespace, "istio-ingressgateway", `ext_proc\..*message_timeouts$`) {
		late += n
	}
	if untagged > late {
		t.Errorf("%d requests were not tagged, and only %d answers came late", untagged, late)
	}
}

// TestServiceComesAndGoes checks that no request is lost while tagproc is installed and
// removed in the order of docs/deployment.md: before the filter, and after it.
func TestServiceComesAndGoes(t *testing.T) {
	t.Parallel()
	w := begin(t, "1", cluster.Options{})
	w.run(t, sampleApps+laneRoutes)
	w.Expect(t, cluster.Row{User: "jack", Versions: laneRow("jack", "s1").Versions})
	requests := w.startTraffic(t, "bob", "jack")
	requests.more(t, w, 100)
	// Fail-closed: a request that meets a filter without tagproc is lost.
	w.run(t, serviceForm+`
tagproc render envoyfilter --rules deploy/samples/lanes/rules.yaml --address tagproc.istio-system:9002 --fail-closed --timeout 10s >$HOME/filter.yaml
kubectl apply -f $HOME/filter.yaml
`)
	w.sees(t, twentyPercent, jason)
	requests.more(t, w, 100)

	w.run(t, "kubectl delete -f $HOME/filter.yaml")
	w.Eventually(t, "nobody asks tagproc", func() error {
		before := w.served(t)
		requests.more(t, w, 200) // of every sender many
		if after := w.served(t); !maps.Equal(before, after) {
			return fmt.Errorf("the replicas have answered %v streams, and then %v", before, after)
		}
		return nil
	})
	w.run(t, "kubectl delete -k deploy/kustomize/overlays/service")
	w.sees(t, pluginDeleted, jason)
	requests.more(t, w, 100)
	requests.end(t)
}

// served is how many streams each replica of tagproc has answered, by pod.
func (w *walk) served(t *testing.T) map[string]float64 {
	t.Helper()
	served := map[string]float64{}
	for pod, address := range w.Addresses(t, cluster.SystemNamespace, "tagproc") {
		n, err := messages(address)
		if err != nil {
			t.Fatal(err)
		}
		served[pod] = n
	}
	return served
}

var messagesTotal = regexp.MustCompile(`(?m)^tagproc_messages_total\{.*\} (\S+)$`)

// messages asks a replica how many messages it has answered: there is one for each
// stream.
func messages(address string) (float64, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + address + ":9090/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, m := range messagesTotal.FindAllStringSubmatch(string(body), -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
