package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/simulation"
)

// simulateFlags are the flags that simulate alone has.
type simulateFlags struct {
	rulesFile string
	ids       idsFlags
	kind      string
	n         int64
	seed      uint64
	at, chart string
}

func newSimulateCommand() *cobra.Command {
	var (
		flags rulesFlags
		out   output
		s     simulateFlags
	)
	cmd := &cobra.Command{
		Use:   "simulate RULES",
		Short: "Count what rules decide for many people, before they come",
		Long: `Count what rules decide for the people of a file, or for made-up ones: per rule and
tag the expected share, the observed one, and the interval that tells chance from
more than chance; how evenly the hash spreads these ids over the buckets; and who
gets the tags of two rules: the same people, nobody, or anybody (independent).

Every rule is counted as if it were enforced, and alone: for requests that it
matches, whatever earlier rules say. Rules with ramps decide as of now, or as of --at.
An id stands for the first key of each rule.

A share is skewed if it differs from the expected one by more than 0.1 points and by
more than chance explains. All intervals of a report hold together with 99%.
docs/rollouts.md lists the fields of -o json.

The exit code is 0, 1 if a share is skewed or the rules are refused, and 2 if the
command is not understood or the ids cannot be read. One of the two files may be -,
standard input.`,
		Example: `  tagproc simulate rules.yaml --ids users.txt
  tagproc simulate rules.yaml --ids users.csv.gz --column user_id
  tagproc simulate rules.yaml --generate uuid --n 10000000
  tagproc simulate rules.yaml --generate email --seed 7 --chart shares.svg
  tagproc simulate rules.yaml --generate sequential --at 2026-12-01T10:00:00Z -o json`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.rulesFile = args[0]
			if s.rulesFile == "-" && s.ids.file == "-" {
				return errors.New("RULES and --ids both read standard input; name a file for one of them")
			}
			instant, err := parseInstant(s.at)
			if err != nil {
				return err
			}
			t, err := usableRules(cmd, &flags, s.rulesFile, exitProblems)
			if err != nil {
				return err
			}
			t, _ = t.At(instant)
			if len(t.Rules()) == 0 {
				return &failure{err: fmt.Errorf("%s has no rules to simulate", s.rulesFile)}
			}
			r, err := s.run(cmd, t)
			if err != nil {
				return err
			}
			return s.write(cmd, out, r)
		},
	}
	s.ids.addTo(cmd)
	cmd.Flags().StringVar(&s.kind, "generate", "", "make up ids: `"+kinds("|")+"`")
	completeWith(cmd, "generate", strings.Split(kinds("|"), "|")...)
	cmd.Flags().Int64Var(&s.n, "n", 1_000_000, "`NUMBER` of ids to make up")
	cmd.Flags().Uint64Var(&s.seed, "seed", 1, "`NUMBER` that made-up ids begin with: the same one makes the same ids")
	cmd.Flags().StringVar(&s.at, "at", "", "`INSTANT` to decide at where rules have ramps, such as 2026-12-01T10:00:00Z (default now)")
	cmd.Flags().StringVar(&s.chart, "chart", "", "draw the shares into a `FILE` in SVG too")
	must(cmd.MarkFlagFilename("chart", "svg"))
	cmd.ValidArgsFunction = completeManifests
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, s.ids.check, func() error { return s.check(cmd) })
	return cmd
}

func kinds(separator string) string {
	var names []string
	for _, k := range people.Kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, separator)
}

// check returns a usage error.
func (s *simulateFlags) check(cmd *cobra.Command) error {
	switch {
	case s.kind != "" && s.ids.file != "":
		return errors.New("--ids and --generate: expected one of them")
	case s.kind == "" && s.ids.file == "":
		return fmt.Errorf("no people: expected --ids FILE, or --generate %s", kinds("|"))
	case s.kind == "":
		for _, name := range []string{"n", "seed"} {
			if cmd.Flags().Changed(name) {
				return fmt.Errorf("--%s: expected --generate beside it", name)
			}
		}
		return nil
	}
	if _, err := people.Generate(people.Kind(s.kind), s.n, s.seed); err != nil {
		return fmt.Errorf("--generate, --n: %w", err)
	}
	return nil
}

// what says whose ids are counted.
func (s *simulateFlags) what() string {
	if s.kind == "" {
		return s.ids.file
	}
	return fmt.Sprintf("ids of the kind %s, seed %d", s.kind, s.seed)
}

// run counts the ids.
func (s *simulateFlags) run(cmd *cobra.Command, t *rules.Table) (*simulation.Report, error) {
	if s.kind == "" {
		f, err := s.ids.open(cmd, t.Keys())
		if err != nil {
			return nil, err
		}
		r, err := simulation.Run(cmd.Context(), f, t, simulation.Options{Progress: f.show})
		return r, f.close(err)
	}
	g, err := people.Generate(people.Kind(s.kind), s.n, s.seed)
	if err != nil {
		return nil, err
	}
	p := progress{terminal: stderr(cmd), size: s.n}
	defer p.clear()
	r, err := simulation.Run(cmd.Context(), g, t, simulation.Options{Progress: func(people int64) {
		if p.terminal.IsTerminal() {
			p.show(people, people)
		}
	}})
	if err != nil {
		return nil, &failure{err: err, code: exitUnable}
	}
	return r, nil
}

// write writes the report, and returns a failure if something is skewed.
func (s *simulateFlags) write(cmd *cobra.Command, out output, r *simulation.Report) error {
	if s.chart != "" {
		if err := writeChart(s.chart, simulation.Chart(s.what(), r)); err != nil {
			return &failure{err: err, code: exitUnable}
		}
	}
	var err error
	if out == outputJSON {
		err = stdout(cmd).JSON(struct {
			IDs string `json:"ids"`
			OK  bool   `json:"ok"`
			*simulation.Report
		}{s.what(), !r.Skewed(), r})
	} else {
		err = simulation.WriteText(stdout(cmd), s.what(), r)
	}
	if err != nil {
		return &failure{err: err, code: exitUnable}
	}
	if r.Skewed() {
		return &failure{}
	}
	return nil
}

// writeChart writes a file in one step, in the place of a symbolic link too: somebody else may
// have made it. A pipe or a device is written to.
func writeChart(path string, svg []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if err = os.WriteFile(path, svg, 0o644); err != nil { //nolint:gosec // a picture for everybody
			return fmt.Errorf("couldn't write %s: %w", path, err)
		}
		return nil
	}
	_, err := rewrite(path, svg)
	return err
}

// oneFile takes the name of one file.
func oneFile(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return fmt.Errorf("%s needs a rules file: expected %s", cmd.Name(), cmd.Use)
	case len(args) > 1:
		return fmt.Errorf("%s takes one rules file, got %q too", cmd.Name(), args[1])
	}
	return nil
}
