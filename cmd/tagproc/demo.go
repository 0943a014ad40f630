package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/mesh"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/walkthrough"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/wasmplugin"
)

func newDemoCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See tagproc at work behind a real Envoy",
		Long: `Start tagproc, a real Envoy and three small applications, mocka → mockb → mockc,
and show which version each user of a walk-through reaches: 20% of the users, and
the named user jason, get version v2 of mockc. The applications only forward
headers. Every hop goes through Envoy, which chooses the version by the tag.

The demo prints the name of its rules file: edit it, and see who moves. Ctrl-C
ends the demo and leaves nothing behind.

Envoy is the binary that $ENVOY names, else the one on PATH, else the one that
"make envoy" downloaded.`,
		Example: "  tagproc demo\n  tagproc demo --once   # exit 0 if every user reached the documented version, else 1",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fail(runDemo(cmd.Context(), cmd.OutOrStdout(), once))
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "show the users once and exit")
	return cmd
}

// A demo is the first walk-through, running.
type demo struct {
	out       *terminal.Writer
	step      walkthrough.Step
	rulesFile string
	mesh      *mesh.Mesh
	loads     chan rulefile.Load // the states of the rules file

	digest string                       // of the rules that were shown last
	seen   map[string]map[string]string // and the versions, by user and application
}

func runDemo(ctx context.Context, out io.Writer, once bool) (err error) {
	binary, err := envoy.Find()
	if err != nil {
		return err
	}
	steps, err := walkthrough.Steps()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tagproc-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{out: terminal.New(out), step: steps[0], rulesFile: filepath.Join(dir, "rules.yaml"), loads: make(chan rulefile.Load, 1)}
	manifest, err := d.step.Rules()
	if err != nil {
		return err
	}
	rulesOfIt, problems := wasmplugin.Convert(d.step.Manifest, manifest, rules.Options{})
	if rulesOfIt == nil {
		return problems.Err()
	}
	if err := os.WriteFile(d.rulesFile, rulesOfIt.Rules, 0o600); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	s, err := newServer(ctx, serverOptions{
		rulesFile: d.rulesFile,
		listen:    []string{"127.0.0.1:0"},
		admin:     "127.0.0.1:0",
		log:       slog.New(slog.DiscardHandler), // the demo reports on the rules file itself
		applied: func(l rulefile.Load) {
			select {
			case d.loads <- l:
			case <-ctx.Done():
			}
		},
	})
	if err != nil {
		cancel()
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.run(ctx) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-served)
	}()

	d.mesh, err = mesh.Start(ctx, mesh.Options{Tagproc: s.listeners[0].Addr(), Binary: binary})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.mesh.Stop()) }()

	first := <-d.loads
	if err := d.compare(ctx, first.Table); err != nil || once {
		return err
	}
	d.hint(s.adminListener.Addr().String())
	return d.follow(ctx)
}

// compare shows every user, and returns an error unless all reach the versions of
// the walk-through.
func (d *demo) compare(ctx context.Context, t *rules.Table) error {
	d.out.Printf("Walk-through %s\n\n", d.step.Name)
	err := d.show(ctx, t)
	if err != nil {
		return err
	}
	for _, u := range d.step.Users {
		if !maps.Equal(d.seen[u.ID], u.Versions) {
			err = errors.Join(err, fmt.Errorf("%s reached %v, and the walk-through says %v", u.ID, d.seen[u.ID], u.Versions))
		}
	}
	if err == nil {
		d.out.Printf("\nAll %d users reached the versions that the walk-through prints.\n", len(d.step.Users))
	}
	return err
}

// show sends one request for each user and prints what answered, and who moved
// since the last time.
func (d *demo) show(ctx context.Context, t *rules.Table) error {
	type row struct {
		user, bucket, tag, remark string
		versions                  map[string]string
	}
	var rows []row
	seen := map[string]map[string]string{}
	for _, u := range d.step.Users {
		trace, err := d.mesh.Get(ctx, d.step.Chain[0], http.Header{"X-User-Id": {u.ID}})
		if err != nil {
			return fmt.Errorf("no answer for %s: %w", u.ID, err)
		}
		r := row{user: u.ID, bucket: bucketOf(t, u.ID), tag: tagAt(trace[0].Tags), versions: trace.Versions()}
		switch {
		case d.seen != nil && !maps.Equal(d.seen[u.ID], r.versions):
			r.remark = "← moved"
		case u.ID == "jason":
			r.remark = "named by a route of Envoy"
		}
		rows, seen[u.ID] = append(rows, r), r.versions
	}
	d.digest, d.seen = t.Digest(), seen
	d.out.Table(func(out *terminal.Writer) {
		out.Printf("x-user-id\tbucket\ttag at %s", d.step.Chain[0])
		for _, app := range d.step.Chain {
			out.Printf("\t%s", app)
		}
		out.Printf("\n")
		for _, r := range rows {
			out.Printf("%s\t%s\t%s", r.user, r.bucket, r.tag)
			for _, app := range d.step.Chain {
				out.Printf("\t%s", r.versions[app])
			}
			if r.remark != "" {
				out.Printf("\t%s", r.remark)
			}
			out.Printf("\n")
		}
	})
	return d.out.Err()
}

// bucketOf returns the bucket of a user in the first rule, as text.
func bucketOf(t *rules.Table, user string) string {
	for _, r := range explain.Request(t, []explain.Header{{Name: "x-user-id", Value: user}}).Rules {
		if r.Bucket != nil {
			return strconv.Itoa(int(*r.Bucket))
		}
	}
	return "-"
}

// tagAt returns the tag that a hop saw, as text.
func tagAt(tags map[string][]string) string {
	if v := tags["x-asm-prefer-tag"]; len(v) > 0 {
		return strings.Join(v, ", ")
	}
	return "-"
}

func (d *demo) hint(admin string) {
	d.out.Printf(`
Ask for yourself:   curl -H 'x-user-id: bob' http://%s/
Edit the rules:     %s
                    (for example range: 20 → 50, and see who moves)
Metrics:            curl http://%s/metrics
Envoy:              curl http://%s/stats
Ctrl-C ends the demo.
`, d.mesh.Ingress(), d.rulesFile, admin, d.mesh.Envoy.Admin)
}

// follow shows the users again whenever the rules change, until ctx ends.
func (d *demo) follow(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			d.out.Printf("\n")
			return nil
		case <-d.mesh.Envoy.Done():
			return errors.New("the demo's Envoy has ended")
		case l := <-d.loads:
			d.out.Printf("\nThe rules file has changed.\n")
			writeProblems(d.out, l.Problems.Without(source.Note))
			if l.Table == nil {
				d.out.Printf("It is refused; the last good rules stay live.\n")
				continue
			}
			if l.Table.Digest() == d.digest {
				d.out.Printf("It means the same as before.\n")
				continue
			}
			d.out.Printf("\n")
			if err := d.show(ctx, l.Table); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}
