package kube

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tagproc/tagproc/internal/transcript"
)

func ptr(s string) *string { return &s }

// TestWatch follows a ConfigMap through its changes, each reported once.
func TestWatch(t *testing.T) {
	t.Parallel()
	began := time.Now()
	api := newAPI(t)
	api.set(ptr(tagging("v1")))
	w := api.watcher(t, new(transcript.Transcript))
	w.Register(prometheus.NewRegistry())
	if got := stateOf(w.Read(t.Context())); got != tagging("v1") {
		t.Fatalf("Read = %q, want v1", got)
	}
	applied := follow(t, w)
	eventually(t, "the watch begins", func() bool { return testutil.ToFloat64(w.watched) == 1 })
	api.set(ptr(tagging("v2")))
	applied.await(t, tagging("v2"))
	api.set(ptr("rules: ["))
	applied.await(t, "yaml-syntax")
	eventually(t, "an Event says so", func() bool { _, _, events := api.counts(); return events == 1 })
	api.set(ptr("roles: []"))
	applied.await(t, "unknown-key")
	api.set(nil)
	applied.await(t, "does not exist in the cluster")
	api.set(ptr(tagging("v2")))
	applied.await(t, tagging("v2"))

	_, before, _ := api.counts()
	api.breakWatches()
	eventually(t, "the watch begins again", func() bool { _, n, _ := api.counts(); return n > before })
	api.set(ptr(tagging("v3")))
	applied.await(t, tagging("v3"))
	api.change(func() { api.gone = true })
	api.breakWatches()
	eventually(t, "the version is too old", func() bool { api.mu.Lock(); defer api.mu.Unlock(); return !api.gone })
	api.set(ptr(tagging("v4")))
	applied.await(t, tagging("v4"))

	if _, _, events := api.counts(); events != 1 && time.Since(began) < eventEvery {
		t.Errorf("%d Events within a minute, want 1: %q", events, api.events)
	}
	if e := api.events[0]; !strings.Contains(e, "RulesRefused") || !strings.Contains(e, "yaml-syntax") {
		t.Errorf("the Event is %s", e)
	}
	if got := applied.take(); got != "" {
		t.Errorf("applied %q too", got)
	}
}

// TestAway takes the API server away, with the last good rules live.
func TestAway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		code       int
	}{
		{"no right", "permission denied: no, said the server", http.StatusForbidden},
		{"no credentials", "does not accept the credentials", http.StatusUnauthorized},
		{"a failure", "answers 500: no, said the server", http.StatusInternalServerError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := newAPI(t)
			api.set(ptr(tagging("v1")))
			w := api.watcher(t, new(transcript.Transcript))
			w.grace = time.Second
			w.Register(prometheus.NewRegistry())
			w.Read(t.Context())
			applied := follow(t, w)
			eventually(t, "the watch begins", func() bool { return testutil.ToFloat64(w.watched) == 1 })
			api.change(func() { api.refusal = tt.code })
			api.breakWatches()
			applied.await(t, tt.want)
			if got := testutil.ToFloat64(w.watched); got != 0 {
				t.Errorf("tagproc_rules_watched = %v, want 0", got)
			}
			api.change(func() { api.refusal = http.StatusServiceUnavailable })
			before, _, _ := api.counts()
			api.change(func() { api.refusal = 0 })
			eventually(t, "the rules are read again", func() bool { n, _, _ := api.counts(); return n > before })
			applied.await(t, tagging("v1"))
			if got := applied.take(); got != "" {
				t.Errorf("applied %q too", got)
			}
		})
	}
}

// TestFallback starts without an API server, and without a ConfigMap.
func TestFallback(t *testing.T) {
	t.Parallel()
	fallback := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(fallback, []byte(tagging("fallback")), 0o644); err != nil {
		t.Fatal(err)
	}
	api := newAPI(t)
	api.change(func() { api.refusal = http.StatusForbidden })
	var log transcript.Transcript
	w := api.watcher(t, &log)
	w.grace = time.Millisecond
	if got := stateOf(w.Read(t.Context())); !strings.Contains(got, "permission denied") {
		t.Errorf("Read = %q without a fallback, want permission denied", got)
	}
	w = api.watcher(t, &log)
	w.grace, w.Fallback = time.Millisecond, fallback
	if got := stateOf(w.Read(t.Context())); got != tagging("fallback") {
		t.Fatalf("Read = %q, want those of the fallback", got)
	}
	if !strings.Contains(log.String(), "those of the fallback file are live") {
		t.Errorf("the log does not say that the fallback is live:\n%s", &log)
	}
	applied := follow(t, w)
	applied.await(t, "permission denied")
	api.change(func() { api.refusal = 0 })
	applied.await(t, "does not exist in the cluster")
	api.set(ptr(tagging("v1")))
	applied.await(t, tagging("v1"))

	w = api.watcher(t, &log)
	w.Fallback = fallback + "-no"
	api.set(nil)
	if l := w.Read(t.Context()); len(l.Problems) != 2 {
		t.Errorf("Read = %v, want the problems of both", l.Problems)
	}
}

// TestWake checks that a receive from Wake is a look at once.
func TestWake(t *testing.T) {
	t.Parallel()
	api := newAPI(t)
	api.set(ptr(tagging("v1")))
	w := api.watcher(t, new(transcript.Transcript))
	wake := make(chan struct{})
	w.Wake = wake
	follow(t, w)
	for n := range 3 {
		eventually(t, "a watch", func() bool { lists, watches, _ := api.counts(); return lists > n && watches > n })
		wake <- struct{}{}
	}
}

// TestEdit writes rules into the ConfigMap unless it has changed.
func TestEdit(t *testing.T) {
	t.Parallel()
	api := newAPI(t)
	api.set(ptr(tagging("v1")))
	w := api.watcher(t, new(transcript.Transcript))
	edit, err := w.Client.Edit(t.Context(), w.Reference)
	if err != nil {
		t.Fatal(err)
	}
	if string(edit.Text) != tagging("v1") || edit.Reference.Key != DefaultKey {
		t.Errorf("the text of %v is %q", edit.Reference, edit.Text)
	}
	if err := edit.Replace(t.Context(), []byte(tagging("v2"))); err != nil {
		t.Fatal(err)
	}
	if *api.text != tagging("v2") {
		t.Errorf("the ConfigMap has %q", *api.text)
	}
	if err := edit.Replace(t.Context(), []byte(tagging("v3"))); !errors.Is(err, ErrConflict) {
		t.Errorf("a second edit of the old text: %v, want a conflict", err)
	}
	if *api.text != tagging("v2") {
		t.Errorf("the ConfigMap has %q after a conflict", *api.text)
	}
	for _, tt := range []struct {
		code int
		want string
	}{
		{http.StatusForbidden, "give the account a Role with get, list and patch on the ConfigMap"},
		{http.StatusNotFound, "has been deleted meanwhile; nothing is written"},
		{http.StatusGatewayTimeout, "no answer of the API server says whether it is written: the API server answers 504: no, said the server: look at it with tagproc rollout show"},
		{http.StatusUnprocessableEntity, "nothing is written: the API server answers 422: no, said the server"},
	} {
		api.change(func() { api.refusal = tt.code })
		if err := edit.Replace(t.Context(), []byte(tagging("v3"))); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("an edit that is answered by %d: %v, want %q", tt.code, err, tt.want)
		}
	}
	api.change(func() { api.refusal = 0 })
	api.set(nil)
	if _, err := w.Client.Edit(t.Context(), w.Reference); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("an edit of nothing: %v", err)
	}
	api.Close()
	if err := edit.Replace(t.Context(), []byte(tagging("v3"))); err == nil || !strings.Contains(err.Error(), "no answer of the API server says whether it is written") {
		t.Errorf("an edit without an answer: %v", err)
	}
}

// TestWriters names the tools that may write a ConfigMap again.
func TestWriters(t *testing.T) {
	t.Parallel()
	var o object
	if got := o.writers(); got != nil {
		t.Errorf("writers of an object without marks = %q", got)
	}
	if err := json.Unmarshal([]byte(`{"metadata": {
		"labels": {"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "a", "kustomize.toolkit.fluxcd.io/name": "b", "team": "c"},
		"annotations": {"argocd.argoproj.io/tracking-id": "d", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
	}}`), &o); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(o.writers(), ", "), "Helm, Flux, Argo CD, kubectl apply"; got != want {
		t.Errorf("writers = %q, want %q", got, want)
	}
}
