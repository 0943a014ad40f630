package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/shares"
	"github.com/tagproc/tagproc/source"
)

func newDiffCommand() *cobra.Command {
	var (
		flags rulesFlags
		out   output
		d     diffFlags
	)
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say who moves when rules change",
		Long: `Say who moves when the rules OLD give way to NEW: for each tag header, rule and key
the share of each tag before and after, and the matrix of who had which tag and gets
which. Shares are exact where key, hash and salt stay, expected ones where hash or
salt differ, and bounds where the key differs; the output says which. Several rules
of one tag header are compared for the requests that each of them decides.

Rules with ramps are compared as of now, or as of --at. Without --at it is also said
what the next step of a ramp of NEW moves.

--forbid-leaving, --max-moving and --forbid-overlap are gates for CI: a figure that
breaks one is written to standard error. docs/rollouts.md lists the fields of -o json.

The exit code is 0, 1 if a gate says no or rules are refused, and 2 if the command is
not understood or a file of ids cannot be read. One of the files may be -, standard
input.`,
		Example: `  tagproc diff rules.yaml new.yaml
  git show HEAD:rules.yaml | tagproc diff - rules.yaml --max-moving 15%
  tagproc diff rules.yaml new.yaml --forbid-leaving s2          # nobody may lose s2
  tagproc diff rules.yaml new.yaml --forbid-overlap exp-a,exp-b # nobody may have a tag of both
  tagproc diff rules.yaml new.yaml --at 2026-12-01T10:00:00Z -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("expected two rules files, OLD and NEW, got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.run(cmd, &flags, args[0], args[1], out)
		},
		ValidArgsFunction: completeManifests,
	}
	cmd.Flags().StringVar(&d.at, "at", "", "`INSTANT` to compare at where rules have ramps, such as 2026-12-01T10:00:00Z (default now)")
	cmd.Flags().StringArrayVar(&d.leaving, "forbid-leaving", nil, "fail if anybody loses the `TAG`; repeatable")
	cmd.Flags().StringVar(&d.most, "max-moving", "", "fail if more users change a tag than this `PERCENT`, such as 15%")
	cmd.Flags().StringArrayVar(&d.overlaps, "forbid-overlap", nil, "fail if anybody has a tag of both rules of NEW, as `RULE,RULE`; a rule may be RULE/TAG; repeatable")
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, d.check)
	return cmd
}

// diffFlags are the flags that diff alone has.
type diffFlags struct {
	at, most          string
	leaving, overlaps []string

	instant time.Time
	percent float64 // of most
	pairs   [][2]string
}

// check reads the flags, and returns what is wrong with them.
func (d *diffFlags) check() (err error) {
	var errs []error
	d.instant, err = parseInstant(d.at)
	errs = append(errs, err)
	if d.most != "" {
		d.percent, err = strconv.ParseFloat(strings.TrimSuffix(d.most, "%"), 64)
		if err != nil || !(d.percent >= 0 && d.percent <= 100) {
			errs = append(errs, fmt.Errorf("--max-moving %q: expected a percentage from 0%% to 100%%, such as 15%%", d.most))
		}
	}
	for _, o := range d.overlaps {
		a, b, ok := strings.Cut(o, ",")
		if !ok || a == "" || b == "" || strings.Contains(b, ",") {
			errs = append(errs, fmt.Errorf("--forbid-overlap %q: expected two rules, RULE,RULE", o))
			continue
		}
		d.pairs = append(d.pairs, [2]string{a, b})
	}
	return errors.Join(errs...)
}

func (d *diffFlags) run(cmd *cobra.Command, flags *rulesFlags, oldFile, newFile string, out output) error {
	if oldFile == "-" && newFile == "-" {
		return errors.New("OLD and NEW both read standard input; name a file for one of them")
	}
	before, err := usableRules(cmd, flags, oldFile, exitProblems)
	after, afterErr := usableRules(cmd, flags, newFile, exitProblems) // its problems are told too
	if err = errors.Join(err, afterErr); err != nil {
		return &failure{}
	}
	if err := d.checkTags(before, after); err != nil {
		return err
	}
	diff := shares.Compare(before, after, shares.Options{At: d.instant, Next: d.at == ""})
	refusals, err := d.refusals(diff, after)
	if err != nil {
		return err
	}
	if out == outputJSON {
		err = stdout(cmd).JSON(struct {
			OldFile string `json:"oldFile"`
			NewFile string `json:"newFile"`
			OK      bool   `json:"ok"`
			*shares.Diff
			Refusals []string `json:"refusals"`
		}{oldFile, newFile, len(refusals) == 0, diff, refusals})
	} else {
		err = shares.WriteText(stdout(cmd), diff)
	}
	if err != nil {
		return fail(err)
	}
	for _, r := range refusals {
		stderr(cmd).Printf("%s\n", r)
	}
	if len(refusals) > 0 {
		return &failure{}
	}
	return nil
}

// checkTags refuses tags of --forbid-leaving that no rule gives: a misspelt one would
// forbid nothing.
func (d *diffFlags) checkTags(tables ...*rules.Table) error {
	var known []string
	for _, t := range tables {
		for _, tag := range t.Tags() {
			known = append(known, tag.Value)
		}
	}
	for _, tag := range d.leaving {
		if !slices.Contains(known, tag) {
			return fmt.Errorf("--forbid-leaving %q: no rule gives this tag%s", tag, source.DidYouMean(source.Nearest(tag, known)))
		}
	}
	return nil
}

// refusals returns why a gate says no.
func (d *diffFlags) refusals(diff *shares.Diff, after *rules.Table) ([]string, error) {
	refusals := []string{}
	for _, tag := range d.leaving {
		if f := diff.Leaving(tag); !f.IsZero() {
			refusals = append(refusals, fmt.Sprintf("--forbid-leaving %s: it is lost by %s", tag, f.Users()))
		}
	}
	if f := diff.Moving(); d.most != "" && f.Percent > d.percent {
		refusals = append(refusals, fmt.Sprintf("--max-moving %s: a tag changes for %s", d.most, f.Users()))
	}
	now, _ := after.At(d.instant)
	for _, pair := range d.pairs {
		f, err := shares.Overlap(now, pair)
		if err != nil {
			return nil, fmt.Errorf("--forbid-overlap %s,%s: %w", pair[0], pair[1], err)
		}
		if !f.IsZero() {
			refusals = append(refusals, fmt.Sprintf("--forbid-overlap %s,%s: tags of both are given to %s", pair[0], pair[1], f.Users()))
		}
	}
	return refusals, nil
}
