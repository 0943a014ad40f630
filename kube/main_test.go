package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/rules/rulefile"
)

func TestMain(m *testing.M) { leak.Main(m) }

// tagging returns rules that give everybody a tag.
func tagging(tag string) string {
	return "tagHeaders: {headers: [x-tag]}\nrules: [{header: x-user-id, modulo: 100, tagHeader: x-tag, policies: [{range: 100, tagValue: " + tag + "}]}]\n"
}

// An apiServer answers as the one of Kubernetes does, as far as a Watcher asks it. The real
// one is in test/kube.
type apiServer struct {
	*httptest.Server
	mu      sync.Mutex
	text    *string       // of the ConfigMap; nil: there is none
	version int           // of the last change
	refusal int           // the code that all requests but those for Events get; 0: none
	changed chan struct{} // closed at each change
	broken  chan struct{} // closed to break the watches
	gone    bool          // the next watch is told that its version is too old
	lists   int
	watches int
	tokens  map[string]bool // that were shown
	events  []string
}

func newAPI(t *testing.T) *apiServer {
	t.Helper()
	a := &apiServer{changed: make(chan struct{}), broken: make(chan struct{}), tokens: map[string]bool{}}
	a.Server = httptest.NewTLSServer(a)
	t.Cleanup(func() {
		a.breakWatches()
		a.Close()
	})
	return a
}

// set makes the ConfigMap have a text; nil: deletes it.
func (a *apiServer) set(text *string) {
	a.change(func() {
		a.version++
		a.text = text
	})
}

// change changes the server, and tells the watches.
func (a *apiServer) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *apiServer) breakWatches() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.broken)
	a.broken = make(chan struct{})
}

func (a *apiServer) counts() (lists, watches, events int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lists, a.watches, len(a.events)
}

func (a *apiServer) object() json.RawMessage {
	text, _ := json.Marshal(map[string]any{
		"metadata": map[string]any{"name": "rules", "resourceVersion": fmt.Sprint(a.version)},
		"data":     map[string]string{"rules.yaml": *a.text, "other": "x"},
	})
	return text
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[r.Header.Get("Authorization")] = true
	if r.Method == http.MethodPost && r.URL.Path == "/api/v1/namespaces/ns/events" {
		body, _ := io.ReadAll(r.Body)
		a.events = append(a.events, string(body))
		w.WriteHeader(http.StatusCreated)
		return
	}
	if a.refusal != 0 {
		w.WriteHeader(a.refusal)
		fmt.Fprint(w, `{"kind": "Status", "message": "no, said the server"}`)
		return
	}
	if r.Method == http.MethodPatch {
		a.patch(w, r)
		return
	}
	if r.URL.Path != "/api/v1/namespaces/ns/configmaps" || r.URL.Query().Get("fieldSelector") != "metadata.name=rules" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.URL.Query().Get("watch") != "" {
		a.watch(w, r)
		return
	}
	a.lists++
	items := []json.RawMessage{}
	if a.text != nil {
		items = append(items, a.object())
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": fmt.Sprint(a.version)}, "items": items})
}

func (a *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	a.watches++
	flush := w.(http.Flusher).Flush
	w.WriteHeader(http.StatusOK)
	if a.gone {
		a.gone = false
		fmt.Fprintln(w, `{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}`)
		return
	}
	flush()
	broken := a.broken
	for seen := r.URL.Query().Get("resourceVersion"); ; {
		if now := fmt.Sprint(a.version); now != seen {
			seen = now
			if a.text != nil {
				fmt.Fprintf(w, "{\"type\": \"MODIFIED\", \"object\": %s}\n", a.object())
			} else {
				fmt.Fprintln(w, `{"type": "DELETED", "object": {}}`)
			}
			flush()
		}
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-broken:
			a.mu.Lock()
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			a.mu.Lock()
			return
		}
		a.mu.Lock()
	}
}

func (a *apiServer) patch(w http.ResponseWriter, r *http.Request) {
	var patch struct {
		Metadata struct{ ResourceVersion string }
		Data     map[string]string
	}
	if err := json.NewDecoder(r.Body).Decode(&patch); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if patch.Metadata.ResourceVersion != fmt.Sprint(a.version) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	text := patch.Data["rules.yaml"]
	a.version, a.text = a.version+1, &text
	_, _ = w.Write(a.object())
}

// watcher returns a watcher of the server's ConfigMap.
func (a *apiServer) watcher(t *testing.T, log io.Writer) *Watcher {
	t.Helper()
	client := newClient(a.URL, func() (string, error) { return "token", nil }, a.Client().Transport.(*http.Transport).TLSClientConfig.Clone())
	t.Cleanup(client.Close)
	return &Watcher{Client: client, Reference: Reference{Namespace: "ns", Name: "rules"}, Logger: slog.New(slog.NewTextHandler(log, nil))}
}

// applied are the loads that a watcher applied.
type applied struct {
	mu    sync.Mutex
	loads []rulefile.Load
	next  int
}

func (a *applied) apply(l rulefile.Load) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.loads = append(a.loads, l)
}

// take returns the state of the next load: the text that is live, or the first problem.
func (a *applied) take() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == len(a.loads) {
		return ""
	}
	a.next++
	return stateOf(a.loads[a.next-1])
}

func stateOf(l rulefile.Load) string {
	if l.Table != nil {
		return string(l.Source)
	}
	return l.Problems[0].String()
}

// await waits until the next load is one that has a text in its state.
func (a *applied) await(t *testing.T, want string) {
	t.Helper()
	var got string
	eventually(t, "a load of "+want, func() bool {
		got = a.take()
		return got != ""
	})
	if !strings.Contains(got, want) {
		t.Fatalf("applied %q, want %q", got, want)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 90 s in vain: %s", what)
		}
	}
}

// follow runs a watcher until the test ends.
func follow(t *testing.T, w *Watcher) *applied {
	t.Helper()
	a := new(applied)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, rulefile.Load{}, a.apply)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return a
}
