package kube

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

const (
	eventEvery = time.Minute
	mostEvent  = 1000 // bytes of an Event's message: the API server takes 1024
)

// events tells who describes the ConfigMap that its rules are refused. Without the right to
// create Events it is silent. The zero value is ready to use.
type events struct {
	last   time.Time
	denied bool
	mu     sync.Mutex // for denied
	posts  sync.WaitGroup
}

// refused posts an Event with the problems, without waiting. It is called by Run alone.
func (e *events) refused(ctx context.Context, w *Watcher, problems source.Problems) {
	e.mu.Lock()
	denied := e.denied
	e.mu.Unlock()
	if denied || !e.last.IsZero() && time.Since(e.last) < eventEvery {
		return
	}
	e.last = time.Now()
	event := eventOf(w.Reference, w.uid, problems, e.last)
	e.posts.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, answerLimit)
		defer cancel()
		response, err := w.Client.do(ctx, http.MethodPost, "/api/v1/namespaces/"+w.Reference.Namespace+"/events", nil, "application/json", event)
		if err == nil {
			_ = response.Body.Close() // the Event is there
			return
		}
		e.mu.Lock()
		e.denied = e.denied || isStatus(err, http.StatusForbidden)
		e.mu.Unlock()
		w.logger().Debug("no Event says that the rules are refused", "error", err)
	})
}

// wait returns when nothing is on its way.
func (e *events) wait() { e.posts.Wait() }

// eventOf returns an Event about the ConfigMap, which shows of the rules only words of the
// language. kubectl describe finds it by the ConfigMap's uid.
func eventOf(r Reference, uid string, problems source.Problems, now time.Time) map[string]any {
	host, _ := os.Hostname() // the name of the pod
	var text strings.Builder
	text.WriteString("tagproc refuses these rules; the last good ones stay live")
	for i := range problems {
		if problems[i].Severity != source.Error {
			continue
		}
		p := rules.Redact(problems[i])
		text.WriteString("\n" + p.String())
	}
	message := strings.ToValidUTF8(text.String()[:min(text.Len(), mostEvent)], "")
	at := now.UTC().Format(time.RFC3339)
	return map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"namespace": r.Namespace, "name": fmt.Sprintf("%s.%x", r.Name, now.UnixNano())},
		"involvedObject": map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "namespace": r.Namespace, "name": r.Name, "uid": uid,
		},
		"type": "Warning", "reason": "RulesRefused", "message": message,
		"source":         map[string]any{"component": "tagproc", "host": host},
		"firstTimestamp": at, "lastTimestamp": at, "count": 1,
	}
}
