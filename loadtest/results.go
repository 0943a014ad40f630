package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

var transports = map[string]string{"unix": "Unix socket", "tcp": "TCP"}

// results is everything that a run measured. A part that was not chosen is nil.
type results struct {
	origin  *origin
	plan    plan
	gateway *gatewayFigures
	ghz     *ghzFigures
	growth  *growthFigures
	start   *startFigures
	idle    *idleFigures
	reload  *reloadFigures
}

// A section is one part of the results, in words and tables.
type section struct {
	title  string
	text   string
	tables []*table
	note   string // may be empty
}

// measure fills the parts that were chosen.
func (res *results) measure(ctx context.Context, r *run, chosen []string) (err error) {
	for _, part := range parts {
		if !slices.Contains(chosen, part) {
			continue
		}
		switch part {
		case gatewayPart:
			res.gateway, err = measureGateway(ctx, r)
		case ghzPart:
			res.ghz, err = measureGHZ(ctx, r)
		case growthPart:
			res.growth, err = measureGrowth(ctx, r)
		case startPart:
			res.start, err = measureStart(ctx, r)
		case idlePart:
			res.idle, err = measureIdle(ctx, r)
		case reloadPart:
			res.reload, err = measureReload(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (res *results) sections() (all []section) {
	if goals := res.goals(); len(goals) > 0 {
		all = append(all, goalSection(goals))
	}
	if res.gateway != nil {
		all = append(all, res.gateway.section(res.plan))
	}
	if res.ghz != nil {
		all = append(all, res.ghz.section(res.plan))
	}
	if res.growth != nil {
		all = append(all, res.growth.section(res.plan))
	}
	if res.start != nil {
		all = append(all, res.start.section())
	}
	if res.idle != nil {
		all = append(all, res.idle.section(res.plan))
	}
	if res.reload != nil {
		all = append(all, res.reload.section(res.plan))
	}
	return all
}

// print writes the tables for a terminal.
func (res *results) print(w io.Writer) error {
	for _, s := range res.sections() {
		if _, err := fmt.Fprintf(w, "\n%s\n%s\n\n%s", s.title, strings.Repeat("=", len(s.title)), s.body()); err != nil {
			return err
		}
	}
	return nil
}

func (s section) body() string {
	var b strings.Builder
	for _, paragraph := range []string{s.text, s.note} {
		if paragraph != "" {
			b.WriteString(paragraph + "\n\n")
		}
	}
	for i, t := range s.tables {
		if i > 0 {
			b.WriteString("\n")
		}
		if t.caption != "" {
			b.WriteString(t.caption + "\n\n")
		}
		b.WriteString(t.String())
	}
	return b.String()
}

//go:embed results.md.tmpl
var resultsTemplate string

// write writes the results to a Markdown file, and the chart to an SVG file of the
// same name beside it. Without a path it does nothing.
func (res *results) write(path string) error {
	if path == "" {
		return nil
	}
	chart := ""
	if res.gateway != nil {
		chart = strings.ToLower(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))) + ".svg"
		if err := drawChart(filepath.Join(filepath.Dir(path), chart), res.gateway); err != nil {
			return fmt.Errorf("couldn't draw the chart: %w", err)
		}
	}
	var b strings.Builder
	if err := res.render(&b, chart); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func (res *results) render(w io.Writer, chart string) error {
	type part struct{ Title, Body string }
	var all []part
	for _, s := range res.sections() {
		all = append(all, part{s.title, s.body()})
	}
	return template.Must(template.New("results").Parse(resultsTemplate)).Execute(w, struct {
		Machine  *origin
		Rounds   int
		Gateway  int // rounds through Envoy
		Chart    string
		Sections []part
	}{res.origin, res.plan.rounds, res.plan.gatewayRounds, chart, all})
}
