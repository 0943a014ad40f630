package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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

--ids counts the people of a file, each line or row as one; --list names those who
move. An id stands for every key of a rule, so people are counted where keys differ too.

--forbid-leaving, --max-moving and --forbid-overlap are gates for CI: a figure that
breaks one is written to standard error. docs/rollouts.md lists the fields of -o json.

The exit code is 0, 1 if a gate says no or rules are refused, and 2 if the command is
not understood or the ids cannot be read. One of the files may be -, standard input.`,
		Example: `  tagproc diff rules.yaml new.yaml
  git show HEAD:rules.yaml | tagproc diff - rules.yaml --max-moving 15%
  tagproc diff rules.yaml new.yaml --ids users.csv.gz --column user_id --list
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
	d.ids.addTo(cmd)
	cmd.Flags().BoolVar(&d.list, "list", false, fmt.Sprintf("name the people of --ids who move, with their buckets: the first %d", mostPeopleListed))
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, d.ids.check, d.check)
	return cmd
}

// mostPeopleListed bounds the memory of --list.
const mostPeopleListed = 100_000

// diffFlags are the flags that diff alone has.
type diffFlags struct {
	at, most          string
	leaving, overlaps []string
	ids               idsFlags
	list              bool

	instant time.Time
	percent float64 // of most
	pairs   [][2]string
}

// check reads the flags, and returns what is wrong with them.
func (d *diffFlags) check() (err error) {
	var errs []error
	if d.list && d.ids.file == "" {
		errs = append(errs, errors.New("--list: expected --ids FILE beside it"))
	}
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
	if (oldFile == "-" && newFile == "-") || (d.ids.file == "-" && (oldFile == "-" || newFile == "-")) {
		return errors.New("two of OLD, NEW and --ids read standard input; name files for all others")
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
	if d.ids.file != "" {
		if err := d.count(cmd, diff, slices.Concat(before.Keys(), after.Keys())); err != nil {
			return err
		}
	}
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

// count counts the people of --ids.
func (d *diffFlags) count(cmd *cobra.Command, diff *shares.Diff, keys []rules.Key) error {
	file, err := d.ids.open(cmd, keys)
	if err != nil {
		return err
	}
	list := 0
	if d.list {
		list = mostPeopleListed
	}
	counter := shares.NewCounter(diff, list)
	for {
		id, err := file.Next()
		if errors.Is(err, io.EOF) {
			counter.Done()
			return file.close(nil)
		}
		if err != nil {
			return file.close(err)
		}
		counter.Add(id)
		if n := file.IDs(); n%10_000 == 0 {
			file.show(n)
			if err := context.Cause(cmd.Context()); err != nil {
				return file.close(err)
			}
		}
	}
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

// refusals returns why a gate says no. What the rules can only bound is counted where ids
// are known.
func (d *diffFlags) refusals(diff *shares.Diff, after *rules.Table) ([]string, error) {
	refusals := []string{}
	var kept []string // tags that nobody loses now
	for _, tag := range d.leaving {
		if diff.Trusts {
			refusals = append(refusals, fmt.Sprintf("--forbid-leaving %s: tags that clients send come to stay, so that whoever sends another tag has that", tag))
			continue
		}
		f, left := diff.Leaving(tag), uint64(0)
		if diff.People != nil {
			left = diff.People.Leaving(tag)
		}
		switch {
		case left > 0:
			refusals = append(refusals, fmt.Sprintf("--forbid-leaving %s: it is lost by %d of %d people", tag, left, diff.People.Counted))
		case !f.IsZero() && (diff.People == nil || !f.AtMost):
			refusals = append(refusals, fmt.Sprintf("--forbid-leaving %s: it is lost by %s", tag, f.Users()))
		default:
			kept = append(kept, tag)
		}
	}
	refusals = append(refusals, d.leavingLater(after, kept)...)
	switch f := diff.Moving(); {
	case d.most == "":
	case diff.Trusts && d.percent < 100:
		refusals = append(refusals, fmt.Sprintf("--max-moving %s: tags that clients send come to stay, so that whoever sends a tag has it", d.most))
	case diff.People != nil && diff.People.Share().Percent() > d.percent:
		refusals = append(refusals, fmt.Sprintf("--max-moving %s: a tag changes for %d of %d people (%s)", d.most, diff.People.Moving, diff.People.Counted, diff.People.Share()))
	case f.Percent > d.percent && (diff.People == nil || !f.AtMost):
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

// leavingLater returns why --forbid-leaving says no to a later step of the ramps of the rules
// after: the first at which somebody loses a tag that the step before gave. People of --ids are
// not counted there.
func (d *diffFlags) leavingLater(after *rules.Table, tags []string) (refusals []string) {
	last, _ := after.At(d.instant)
	for _, stage := range after.Stages() {
		if len(tags) == 0 || !stage.Since().After(d.instant) {
			continue
		}
		diff := shares.Compare(last, stage, shares.Options{})
		last = stage
		tags = slices.DeleteFunc(tags, func(tag string) bool {
			f := diff.Leaving(tag)
			if f.IsZero() {
				return false
			}
			refusals = append(refusals, fmt.Sprintf("--forbid-leaving %s: it is lost by %s at the step of %s", tag, f.Users(), stage.Since().UTC().Format(time.RFC3339)))
			return true
		})
	}
	return refusals
}
