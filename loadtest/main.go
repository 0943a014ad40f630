// Command loadtest measures what a request costs with tagproc, beside what it
// costs without and with the alternatives, and writes RESULTS.md. README.md says
// what is measured and how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The parts of a run, by the names that -only takes.
const (
	gatewayPart = "envoy"
	ghzPart     = "ghz"
	growthPart  = "growth"
	startPart   = "start"
	idlePart    = "idle"
	reloadPart  = "reload"
)

var parts = []string{gatewayPart, ghzPart, growthPart, startPart, idlePart, reloadPart}

// A run is what every part is given.
type run struct {
	plan     plan
	binaries binaries
	users    []user
	started  time.Time
}

// progress says on stderr what comes next.
func (r *run) progress(format string, args ...any) {
	at := time.Since(r.started).Truncate(time.Second)
	fmt.Fprintf(os.Stderr, "%7v  %s\n", at, fmt.Sprintf(format, args...))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx)
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context) error {
	r := &run{plan: fullPlan, users: newUsers(1000), started: time.Now()}
	short := flag.Bool("short", false, "see in a minute or two that everything works; the figures are noise")
	rounds := flag.Int("rounds", 0, "how often to measure everything; 0: 5 times, through Envoy 13 times, in the short form once")
	only := flag.String("only", strings.Join(parts, ","), "`PARTS` to measure")
	out := flag.String("out", "", "`FILE` to write the results to, with the chart beside it; empty: print them only")
	flag.StringVar(&r.binaries.tagproc, "tagproc", "bin/tagproc", "`PATH` of tagproc")
	flag.StringVar(&r.binaries.textbook, "textbook", "bin/textbook", "`PATH` of the textbook server")
	flag.StringVar(&r.binaries.ghz, "ghz", "bin/ghz", "`PATH` of ghz")
	protoset := flag.String("protoset", "", "measure nothing: write the descriptors of ext_proc to `FILE`, for ghz")
	flag.Parse()
	if *protoset != "" {
		return writeProtoset(*protoset)
	}
	if *short {
		r.plan = shortPlan
	}
	if *rounds > 0 {
		r.plan.rounds, r.plan.gatewayRounds = *rounds, *rounds
	}
	chosen := strings.Split(*only, ",")
	for _, part := range chosen {
		if !slices.Contains(parts, part) {
			return fmt.Errorf("-only %q: expected some of %s", part, strings.Join(parts, ","))
		}
	}
	testing.Init() // for the benchmarks of the handler
	if err := flag.Set("test.benchtime", r.plan.benchTime); err != nil {
		return err
	}

	m, err := describe(ctx, r.binaries.tagproc)
	if err != nil {
		return err
	}
	m.Command = strings.Join(os.Args, " ")
	res := &results{origin: m, plan: r.plan}
	if err := res.measure(ctx, r, chosen); err != nil {
		return err
	}
	m.Took = time.Since(r.started).Round(time.Second).String()
	return errors.Join(res.print(os.Stdout), res.write(*out))
}
