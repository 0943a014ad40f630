package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
)

// A workload is one size of rules and request.
type workload struct {
	axis    string // what grows
	size    int    // how far
	note    string
	rules   string
	request *extprocv3.ProcessingRequest
}

// Tag headers of growing rules, which may name no more than this many.
const maxTagHeaders = 32

// workloads are the sizes that are measured. tag gets the tag in each.
func workloads(id string) (all []workload) {
	request := forwarded(id)
	for _, n := range []int{1, 10, 100, 1000} {
		decide := min(n, maxTagHeaders)
		all = append(all,
			workload{"rules", n, fmt.Sprintf("%d decide and tag", decide), manyRules(n, "enforce"), request},
			workload{"rules, mode: shadow", n, fmt.Sprintf("%d decide, 1 tags", n), manyRules(n, "shadow"), request})
	}
	for _, n := range []int{2, 100, 1000} {
		all = append(all, workload{"policies", n, "of one rule", manyPolicies(n), request})
	}
	for _, n := range []int{5, 20, 80} {
		all = append(all, workload{"request headers", n, "sent to tagproc", rule, requestOf(id, n)})
	}
	return all
}

// manyRules returns n rules for one key, spread over up to 32 tag headers. For
// each tag header the first enforced rule decides. In shadow mode every rule
// decides, and only the first one, which is enforced, writes.
func manyRules(n int, mode string) string {
	var b strings.Builder
	b.WriteString("tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}\nrules:\n")
	for i := range n {
		header := "x-asm-prefer-tag"
		if i%maxTagHeaders > 0 {
			header = fmt.Sprintf("appver-%02d", i%maxTagHeaders)
		}
		m := mode
		if i == 0 {
			m = "enforce"
		}
		fmt.Fprintf(&b, "- {name: rule-%d, header: x-user-id, tagHeader: %s, mode: %s, policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]}\n", i, header, m)
	}
	return b.String()
}

// manyPolicies returns one rule with n policies of equal shares.
func manyPolicies(n int) string {
	const modulo = 100_000
	var b strings.Builder
	fmt.Fprintf(&b, "rules:\n- header: x-user-id\n  modulo: %d\n  tagHeader: x-asm-prefer-tag\n  policies:\n", modulo)
	for i := range n {
		fmt.Fprintf(&b, "  - {range: %d, tagValue: v%d}\n", (i+1)*modulo/n, i)
	}
	return b.String()
}

// growthFigures are by the index of the workload.
type growthFigures struct {
	workloads []workload
	handler   map[int]series // nanoseconds per decision
	cpu       map[int]series // of the server, in microseconds per stream
}

// measureGrowth measures every workload twice: the handler alone, bytes in and
// bytes out, and the server's CPU for a stream of ghz.
func measureGrowth(ctx context.Context, r *run) (*growthFigures, error) {
	f := &growthFigures{
		workloads: workloads(r.users[0].id),
		handler:   make(map[int]series), cpu: make(map[int]series),
	}
	for round := range r.plan.rounds {
		for i := range f.workloads {
			i := (i + round) % len(f.workloads)
			w := f.workloads[i]
			r.progress("round %d/%d, growth: %d %s", round+1, r.plan.rounds, w.size, w.axis)
			if err := f.workload(ctx, r, i, w); err != nil {
				return nil, fmt.Errorf("%d %s: %w", w.size, w.axis, err)
			}
		}
	}
	return f, nil
}

func (f *growthFigures) workload(ctx context.Context, r *run, i int, w workload) error {
	perDecision, err := benchmarkHandler(w)
	if err != nil {
		return err
	}
	perStream, err := growthCPU(ctx, r, w)
	if err != nil {
		return err
	}
	add(f.handler, i, perDecision)
	add(f.cpu, i, perStream)
	return nil
}

// benchmarkHandler returns the nanoseconds that the handler takes for the request
// of the workload.
func benchmarkHandler(w workload) (float64, error) {
	table, problems := rules.Load("rules.yaml", []byte(w.rules), rules.Options{})
	if table == nil {
		return 0, problems.Err()
	}
	message, err := proto.Marshal(w.request)
	if err != nil {
		return 0, err
	}
	p := processor.New(processor.Options{})
	p.SetTable(table)
	reply := make([]byte, 0, 64<<10)
	result := testing.Benchmark(func(b *testing.B) { //nolint:thelper // it is the benchmark, and helps none
		for b.Loop() {
			p.NewStream().Reply(reply, message)
		}
	})
	return float64(result.T.Nanoseconds()) / float64(result.N), nil
}

// growthCPU returns the CPU of the server for a stream, in microseconds.
func growthCPU(ctx context.Context, r *run, w workload) (perStream float64, err error) {
	t, err := newBed(ctx, r.binaries, w.rules)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	const callers = 16
	ghz, err := newGHZ(r.binaries.ghz, t.dir, w.request)
	if err != nil {
		return 0, err
	}
	n := r.plan.growthCalls
	if _, err := ghz.run(ctx, t.tagproc.unix, callers, n/10); err != nil { // warms the server up
		return 0, err
	}
	cpu, err := startCPU(0, t.tagproc)
	if err != nil {
		return 0, err
	}
	if _, err := ghz.run(ctx, t.tagproc.unix, callers, n); err != nil {
		return 0, err
	}
	_, used, err := cpu.since()
	return micros(used) / float64(n), err
}

// section writes the figures as a table.
func (f *growthFigures) section(plan) section {
	t := &table{head: []string{"", "how many", "", "handler ns", "server CPU µs"}}
	for i, w := range f.workloads {
		t.add(w.axis, fmt.Sprint(w.size), w.note, figure(f.handler[i], 0), figure(f.cpu[i], 1))
	}
	return section{
		title: "How the cost of tagproc grows",
		text: `Handler: one decision in process, from the bytes of the request to those of the reply, without gRPC
(a Go benchmark). Server CPU: of the process, per stream of ghz with 16 callers over a Unix socket. The
rules have one key and are spread over at most 32 tag headers, which is the most that a file may name;
for each tag header the first rule that applies decides, and the others are superseded.`,
		tables: []*table{t},
	}
}

// of returns the figures of a workload, out of handler or cpu.
func (f *growthFigures) of(figures map[int]series, axis string, size int) series {
	for i, w := range f.workloads {
		if w.axis == axis && w.size == size {
			return figures[i]
		}
	}
	return nil
}
