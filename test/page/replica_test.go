package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/admin"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/state"
	"github.com/tagproc/tagproc/traffic"
)

// now is when replicas are looked at. Reloads have the time of the machine.
var now = time.Now().UTC().Truncate(time.Hour)

// after returns the instant some hours after now, as rules files have it.
func after(hours int) string { return now.Add(time.Duration(hours) * time.Hour).Format(time.RFC3339) }

// A replica is a real processor with its admin port.
type replica struct {
	*testing.T
	processor *processor.Processor
	reloads   *admin.Reloads
	of        *admin.Replica
	server    *httptest.Server

	mu       sync.Mutex
	now      time.Time
	notReady error
	targets  []string // of requests, "GET /explain"
}

func newReplica(t *testing.T) *replica {
	t.Helper()
	r := &replica{T: t, now: now}
	r.processor = processor.New(processor.Options{Now: r.clock})
	t.Cleanup(func() { r.processor.SetTable(nil) })
	r.reloads = admin.NewReloads(prometheus.NewRegistry())
	recorder := traffic.New(r.processor.Counts)
	ready := func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.notReady
	}
	r.of = &admin.Replica{
		Version: "v1.2.3", Instance: "one", File: "/etc/tagproc/rules.yaml", Started: now.Add(-26 * time.Hour),
		Ready: ready, Now: r.clock, Reloads: r.reloads, Traffic: recorder,
	}
	pages := admin.Handler(prometheus.NewRegistry(), ready, admin.Options{Replica: r.of})
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.mu.Lock()
		r.targets = append(r.targets, request.Method+" "+request.RequestURI)
		r.mu.Unlock()
		pages.ServeHTTP(w, request)
	}))
	t.Cleanup(r.server.Close)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		recorder.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return r
}

func (r *replica) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *replica) set(to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = to
}

// asked returns the requests since the last call.
func (r *replica) asked() (targets []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	targets, r.targets = r.targets, nil
	return targets
}

// load makes rules live, or has them refused.
func (r *replica) load(src string) {
	r.Helper()
	table, problems := rules.Load("/etc/tagproc/rules.yaml", []byte(src), rules.Options{})
	if table != nil {
		r.processor.SetTable(table)
	}
	r.reloads.Record(rulefile.Load{Table: table, Problems: problems, Source: []byte(src)})
}

// send has users send requests.
func (r *replica) send(requests int) {
	r.Helper()
	for i := range requests {
		msg, err := proto.Marshal(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
			Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
				{Key: ":authority", RawValue: []byte("shop.example.com")}, {Key: ":path", RawValue: []byte("/")}, {Key: "x-user-id", RawValue: fmt.Appendf(nil, "user-%d", i)},
			}},
		}}})
		if err != nil {
			r.Fatal(err)
		}
		r.processor.NewStream().Reply(nil, msg)
	}
}

var shop = `tagHeaders: {headers: [x-asm-prefer-tag, x-price]}
rules:
- name: checkout
  match: {hosts: [shop.example.com]}
  keys: [{header: x-user-id}, {cookie: uid}]
  tagHeader: x-asm-prefer-tag
  overrides: [{values: [jason, frida], tagValue: s2, key: {header: x-user-id}}]
  policies:
  - {range: 20, tagValue: s2}
  - tagValue: s3
    ramp: [{at: ` + after(-3) + `, range: 25}, {at: ` + after(21) + `, range: 50}, {at: ` + after(69) + `, range: 100}]
  - {range: 100, tagValue: s1}
- name: price
  header: x-user-id
  tagHeader: x-price
  hash: xxh3
  salt: autumn
  modulo: 1000
  policies: [{range: 5, tagValue: low}, {range: 500, tagValue: high}]
- name: trial
  mode: shadow
  match: {hosts: [shop.example.com]}
  header: x-user-id
  tagHeader: x-asm-prefer-tag
  policies: [{range: 60, tagValue: s2}, {range: 100, tagValue: s1}]
`

// states are the states that a replica can be in.
var states = map[string]func(r *replica){
	"no-rules": func(r *replica) {
		r.notReady = errors.New("there are no good rules yet")
	},
	"refused-at-start": func(r *replica) {
		r.notReady = errors.New("there are no good rules yet")
		r.load(strings.Replace(shop, "range: 20", "range: 120", 1))
	},
	"well": func(r *replica) {
		r.load(strings.Replace(shop, "range: 20", "range: 10", 1))
		r.load(shop)
		r.send(20_000)
	},
	"refused": func(r *replica) {
		r.load(shop)
		r.load(strings.Replace(shop, "range: 20", "range: 120", 1))
	},
	"many": func(r *replica) {
		var src strings.Builder
		src.WriteString("rules:\n")
		for i := range 200 {
			fmt.Fprintf(&src, "- {name: experiment-%d, header: x-user-id, tagHeader: x-exp-%d, hash: xxh3, salt: s%d, policies: [{range: %d, tagValue: on}, {range: 100, tagValue: off-%d}]}\n", i, i%30, i, i%100, i)
		}
		r.load(src.String())
		r.send(100)
	},
	"long-names": func(r *replica) {
		long := strings.Repeat("long-", 12)
		r.load(strings.NewReplacer("checkout", long+"checkout", "tagValue: s2", "tagValue: "+long+"s2", "x-price", "x-"+long+"price", "autumn", long).Replace(shop))
		r.send(100)
	},
	"due-now": func(r *replica) {
		r.set(now.Add(21 * time.Hour))
		r.load(shop)
	},
	"disagree": func(r *replica) {
		r.load(shop)
		r.of.Peers = func() *state.Replicas {
			return &state.Replicas{Summary: "1 of 3 has 58b34286a4ea4d5b", Digest: "58b34286a4ea4d5b", Replicas: []state.Peer{
				{Address: "10.0.0.1:9090", Page: "http://10.0.0.1:9090/", Answers: true, Instance: "one", Digest: "58b34286a4ea4d5b", LiveSince: now, Clock: "right", Differs: []string{}},
				{
					Address: "10.0.0.2:9090", Page: "http://10.0.0.2:9090/", Answers: true, Instance: "two", Digest: "9b09645ac8530873", LiveSince: now.Add(-3 * time.Hour), Clock: "3s behind",
					Differs: []string{"has other rules"}, Rules: []string{"rule checkout: s2 10% instead of 20%; s3 15% instead of 5%", "rule trial is missing"},
				},
				{Address: "[2001:db8:1234:5678:9abc:def0:1234:5678]:9090", Page: "http://[2001:db8:1234:5678:9abc:def0:1234:5678]:9090/", Differs: []string{"unreachable: no answer in time"}},
			}}
		}
	},
	"stopping": func(r *replica) {
		r.load(shop)
		r.notReady = errors.New("draining")
	},
}
