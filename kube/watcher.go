package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/source"
)

const (
	startLimit   = 5 * time.Second  // how long Read tries to reach the API server
	defaultGrace = 10 * time.Second // without the API server until that is reported
	shortestRest = 100 * time.Millisecond
	longestRest  = 5 * time.Second
	watchLimit   = 5 * time.Minute // until the ConfigMap is read again
)

// A Watcher follows the rules in a ConfigMap. Its fields must not change while Run runs.
type Watcher struct {
	Client    *Client
	Reference Reference
	Options   rules.Options
	Fallback  string          // file with the rules of Read where the cluster has none; "": none
	Wake      <-chan struct{} // makes Run ask the API server at once; may be nil
	Logger    *slog.Logger    // nil means slog.Default()

	grace   time.Duration // 0: defaultGrace
	watched prometheus.Gauge
	known   *content  // what the caller of Run knows; nil: nothing
	lost    time.Time // since when the API server does not answer; zero: it does
	uid     string    // of the ConfigMap
	events  events
}

// Register adds the metrics of the watch to r. It is called before Run, or not at all.
func (w *Watcher) Register(r prometheus.Registerer) {
	w.watched = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tagproc_rules_watched",
		Help: "1 while the API server tells of changes of the rules' ConfigMap; 0 while it does not, and the last good rules stay live.",
	})
	r.MustRegister(w.watched)
}

func (w *Watcher) logger() *slog.Logger { return cmp.Or(w.Logger, slog.Default()) }

// Read loads the rules once. It tries for some seconds to reach the API server, or until
// ctx ends. Without good rules there, those of the fallback file are returned if they are
// good.
func (w *Watcher) Read(ctx context.Context) rulefile.Load {
	within, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	found, err := w.readOnce(within)
	for rest := shortestRest; err != nil && !isStatus(err, http.StatusForbidden) && pause(within, rest, nil); rest *= 2 {
		found, err = w.readOnce(within)
	}
	if err != nil {
		found = away(err)
	}
	l := w.load(found)
	if l.Table == nil && w.Fallback != "" && ctx.Err() == nil {
		other := rulefile.Read(w.Fallback, w.Options)
		if other.Table != nil {
			w.logger().Warn("the cluster has no good rules; those of the fallback file are live until it has", "fallback", w.Fallback, "rules", w.Reference.String())
			return other // and Run reports what the cluster has
		}
		l.Problems = append(l.Problems, other.Problems...)
	}
	w.known = &found
	return l
}

func (w *Watcher) readOnce(ctx context.Context) (content, error) {
	o, _, err := w.Client.list(ctx, w.Reference)
	if err != nil {
		return content{}, err
	}
	return w.Reference.contentOf(o), nil
}

// load compiles a content. It depends on its arguments alone.
func (w *Watcher) load(c content) rulefile.Load {
	l := rulefile.Load{Source: []byte(c.text), Options: w.Options}
	if c.failure != "" {
		l.Source = nil
		l.Problems = source.Problems{{File: w.Reference.String(), Severity: source.Error, Kind: source.KindUnreadable, Message: c.failure}}
		return l
	}
	at := w.Reference
	at.Key = c.key
	l.Table, l.Problems = rules.Load(at.String(), l.Source, w.Options)
	return l
}

// away is the content while the API server tells nothing: why, and what to do.
func away(err error) content {
	failure := unreachable(err, "get, list and watch")
	if _, answered := errors.AsType[*statusError](err); !answered {
		failure += ": it is asked again"
	}
	return content{failure: failure, away: true}
}

// unreachable says why the API server does not give the ConfigMap, or take an edit. verbs are
// the rights that are needed.
func unreachable(err error, verbs string) string {
	e, ok := errors.AsType[*statusError](err)
	switch {
	case ok && e.code == http.StatusForbidden:
		// Without quotes, in which a log shows nothing that a rules file might have.
		return fmt.Sprintf("permission denied: %s: give the account a Role with %s on the ConfigMap", strings.ReplaceAll(e.message, `"`, ""), verbs)
	case ok && e.code == http.StatusUnauthorized:
		return fmt.Sprintf("the API server does not accept the credentials: %s: check the token of the account, or the kubeconfig", e.message)
	case ok:
		return e.Error()
	}
	return fmt.Sprintf("the API server cannot be asked: %v", err)
}

// Run follows the rules until ctx ends. It calls apply once for each new state of them,
// good or bad, as [rulefile.Watcher.Run] does. That the API server does not answer is a
// state too once it lasts some seconds: a server that restarts is none.
//
// The caller knows the Load of Read.
func (w *Watcher) Run(ctx context.Context, _ rulefile.Load, apply func(rulefile.Load)) {
	defer w.Client.Close()
	defer w.events.wait()
	rest := shortestRest
	for ctx.Err() == nil {
		began := time.Now()
		err := w.follow(ctx, apply)
		w.setWatched(0)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errWoken):
			rest = shortestRest
			continue
		case err == nil: // the watch has had its time, unless an API server ends each at once
		case isStatus(err, http.StatusGone): // the version is too old: follow reads the rules again
		default:
			if w.lost.IsZero() {
				w.lost = time.Now()
				w.logger().Debug("the watch of the rules is interrupted", "error", err)
			}
			if time.Since(w.lost) >= cmp.Or(w.grace, defaultGrace) {
				w.report(ctx, away(err), apply)
			}
		}
		if time.Since(began) > longestRest {
			rest = shortestRest
		}
		pause(ctx, rest/2+rand.N(rest), w.Wake)
		rest = min(2*rest, longestRest)
	}
}

// errWoken is the error of follow where somebody asks for the rules at once.
var errWoken = errors.New("woken")

// follow reads the rules and watches them until the watch ends.
func (w *Watcher) follow(ctx context.Context, apply func(rulefile.Load)) error {
	o, version, err := w.Client.list(ctx, w.Reference)
	if err != nil {
		return err
	}
	w.lost = time.Time{}
	w.report(ctx, w.contentOf(o), apply)

	watching, stop := context.WithCancel(ctx)
	defer stop()
	woken := make(chan struct{})
	go func() {
		defer close(woken)
		select {
		case <-watching.Done():
		case <-w.Wake:
			stop()
		}
	}()
	err = w.Client.watch(watching, w.Reference, version, watchLimit+rand.N(watchLimit), func() { w.setWatched(1) }, func(o *object) {
		w.report(ctx, w.contentOf(o), apply)
	})
	if watching.Err() != nil {
		err = errWoken
	}
	stop()
	<-woken
	return err
}

// contentOf notes which object has the rules, and returns them.
func (w *Watcher) contentOf(o *object) content {
	if o != nil {
		w.uid = o.Metadata.UID
	}
	return w.Reference.contentOf(o)
}

// report applies a content, unless the caller knows it.
func (w *Watcher) report(ctx context.Context, c content, apply func(rulefile.Load)) {
	// Another error of the API server changes nothing: it is away all the same.
	if w.known != nil && (*w.known == c || w.known.away && c.away) {
		return
	}
	w.known = &c
	l := w.load(c)
	apply(l)
	if l.Table == nil && c.failure == "" {
		w.events.refused(ctx, w, l.Problems)
	}
}

func (w *Watcher) setWatched(v float64) {
	if w.watched != nil {
		w.watched.Set(v)
	}
}

// pause waits for d, or until somebody asks. It returns false when ctx ends.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return true
}
