package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/fleet"
	"github.com/tagproc/tagproc/internal/inplace"
	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/rollout"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/shares"
	"github.com/tagproc/tagproc/source"
)

// A rolloutEdit is a verb of rollout that edits a file, and its flags.
type rolloutEdit struct {
	verb     string
	mayLeave bool // users may leave a tag
	tags     []string
	users    []string  // of name
	toNobody bool      // the only tag is to have no users
	now      time.Time // zero: when it runs

	flags  rulesFlags
	out    output
	rule   string
	dryRun bool
	routes []string // of promote, manifests
	wait   fleetWait
}

// An editResult is the result in the form of -o json.
type editResult struct {
	File    string       `json:"file"`
	Verb    string       `json:"verb"`
	Rule    string       `json:"rule"`
	Tags    []string     `json:"tags"`
	Changed bool         `json:"changed"` // whether the edit changes the text
	Written bool         `json:"written"` // whether the file has it
	Before  string       `json:"digestBefore"`
	After   string       `json:"digestAfter"` // "" where the edit is refused
	Refusal string       `json:"refusal,omitempty"`
	ByHand  []string     `json:"byHand,omitempty"` // what to write where it cannot be done in place
	Patch   string       `json:"patch,omitempty"`  // of --dry-run, a unified diff
	Diff    *shares.Diff `json:"diff"`             // as of tagproc diff; null where the edit is refused
	Notes   []string     `json:"notes,omitempty"`  // what else there is to know
	Left    []string     `json:"left,omitempty"`   // what is left to do

	Replicas *fleet.Report `json:"replicas,omitempty"` // of --wait, as of tagproc status
}

func (e *rolloutEdit) command(use, short, long, example string, args cobra.PositionalArgs) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long + rolloutCodes, Example: example, Args: args, ValidArgsFunction: completeManifests}
	cmd.Flags().StringVar(&e.rule, "rule", "", "`NAME` of the rule (default: the only one, or the only one that has the tag)")
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "print a unified diff, and write nothing")
	e.flags.addTo(cmd)
	e.out.addTo(cmd)
	e.wait.addTo(cmd)
	check(cmd, e.flags.check, func() error { return e.wait.check(cmd, e.dryRun) })
	return cmd
}

func (e *rolloutEdit) addLeavingFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&e.mayLeave, "allow-leaving", false, "take users out of a tag")
}

// run makes the edit, and says who moves.
func (e *rolloutEdit) run(cmd *cobra.Command, file string, edit func(f *rollout.File, rule int, now time.Time) (*rollout.File, error)) error {
	if file == "-" && e.out == outputJSON {
		return errors.New("-o json and the new file would both go to standard output; name a file")
	}
	before, place, err := readRollout(cmd, &e.flags, file)
	if err != nil {
		return err
	}
	file = place.name
	if err := e.wait.refusal(before, place); err != nil {
		return err
	}
	now := e.now
	if now.IsZero() {
		now = time.Now()
	}
	rule, err := e.choose(cmd, before, now)
	if err != nil {
		return fail(err)
	}
	r := &editResult{File: file, Verb: e.verb, Rule: before.Table().Rules()[rule].Name, Tags: append([]string{}, e.tags...), Before: before.Table().Digest()}
	after, err := edit(before, rule, now)
	if err == nil && !e.mayLeave {
		err = rollout.Leaving(before, after, rule, now, e.tags...)
		if _, leaving := errors.AsType[*rollout.LeavingError](err); leaving && e.toNobody {
			err = fmt.Errorf("%w, or roll the tag back, which needs no flag: tagproc rollout rollback %s %s --rule %s", err, e.typed(file), words.Shell(e.tags[0]), words.Shell(before.Table().Rules()[rule].Name))
		}
	}
	if err != nil {
		return e.refuse(cmd, r, err)
	}
	old, text := before.Bytes(), after.Bytes()
	r.After, r.Changed = after.Table().Digest(), !slices.Equal(old, text)
	r.Diff = shares.Compare(before.Table(), after.Table(), shares.Options{At: now, Next: true})
	r.Notes = after.Notes()
	if e.verb == "promote" {
		r.Notes = append(r.Notes, e.unreached(before, after)...)
		if r.Left, err = leftAfterPromotion(cmd, after, rule, e.tags[0], e.routes); err != nil {
			return err
		}
	}
	patch := diff.Diff(file, old, file, text)
	switch {
	case e.dryRun:
		r.Patch = string(patch)
	case file == "-" || !r.Changed:
	default:
		err := place.replace(cmd.Context(), text)
		if !inplace.Replaced(err) {
			return e.refuse(cmd, r, err)
		} else if err != nil {
			r.Notes = append(r.Notes, err.Error())
		}
		r.Written = true
		for _, tool := range place.writers {
			r.Notes = append(r.Notes, fmt.Sprintf("%s has written this ConfigMap, and may put its own rules in the place of these: change them there too.", tool))
		}
	}
	if e.verb == "rollback" {
		r.Notes = append(r.Notes, e.rolledBack(before, after, rule, now, file)...)
	}
	r.Left = append(e.next(r, place, after.Applied()), r.Left...)
	if e.out == outputJSON {
		missing := e.await(cmd, r, after)
		return errors.Join(fail(stdout(cmd).JSON(r)), missing)
	}
	err = e.tell(e.people(cmd, file), r)
	switch {
	case err != nil:
	case e.wait.on:
		missing := e.await(cmd, r, after)
		return errors.Join(fail(r.Replicas.WriteText(stdout(cmd))), missing)
	case e.dryRun:
		err = stdout(cmd).Document(patch)
	case file == "-":
		err = stdout(cmd).Document(text)
	}
	return fail(err)
}

// await has --wait its way. The error says that not all replicas have the edit.
func (e *rolloutEdit) await(cmd *cobra.Command, r *editResult, after *rollout.File) error {
	if !e.wait.on {
		return nil
	}
	r.Replicas = e.wait.until(cmd, after)
	switch {
	case cmd.Context().Err() != nil:
		return fail(context.Cause(cmd.Context()))
	case r.Replicas.Agree:
		return nil
	}
	said := "is so already"
	if r.Written {
		said = "is written"
	}
	return fail(fmt.Errorf("%s: the edit %s, and not all replicas have it; to wait on: tagproc status --rules %s --watch ADDR", r.File, said, e.typed(r.File)))
}

// unreached says which warnings a promotion leaves: its tag takes the buckets of policies that
// a rollback needs.
func (e *rolloutEdit) unreached(before, after *rollout.File) (notes []string) {
	was, is := before.Problems(), after.Problems()
	for i := range is {
		p := &is[i]
		known := slices.ContainsFunc(was, func(q source.Problem) bool { return q.Kind == p.Kind && q.Line == p.Line })
		if p.Kind == rules.KindUnreachable && !known {
			notes = append(notes, fmt.Sprintf("line %d: %s has all buckets, so validate warns that this policy can never match; keep it as long as a rollback may be needed.", p.Line, e.tags[0]))
		}
	}
	return notes
}

// people returns where text for people goes: standard output has the new file, or the patch,
// alone.
func (e *rolloutEdit) people(cmd *cobra.Command, file string) *terminal.Writer {
	if e.dryRun || file == "-" {
		return stderr(cmd)
	}
	return stdout(cmd)
}

// choose returns the rule that is meant, and sets the tag of a rollback that names none.
func (e *rolloutEdit) choose(cmd *cobra.Command, f *rollout.File, now time.Time) (int, error) {
	if e.verb != "rollback" || len(e.tags) > 0 {
		rule, err := f.Rule(e.rule, e.tags...)
		for i, u := range e.users {
			if _, swapped := f.Rule(e.rule, u); err != nil && swapped == nil && !isRule(f, e.tags[0]) {
				return 0, fmt.Errorf("%w; TAG comes before USER: %s", err, typed(cmd, slices.Concat([]string{f.Name, u}, e.users[:i], e.tags, e.users[i+1:])...))
			}
		}
		return rule, err
	}
	c, err := f.Canary(e.rule, now)
	e.tags = []string{c.Tag}
	return c.Rule, err
}

func isRule(f *rollout.File, name string) bool {
	return slices.ContainsFunc(f.Table().Rules(), func(r rules.Rule) bool { return r.Name == name })
}

// refuse says why the edit is not made.
func (e *rolloutEdit) refuse(cmd *cobra.Command, r *editResult, err error) error {
	if byHand, ok := errors.AsType[*rollout.ByHandError](err); ok {
		r.ByHand = byHand.Lines
	}
	if e.out == outputJSON {
		r.Refusal = err.Error()
		return errors.Join(stdout(cmd).JSON(r), fail(err))
	}
	if r.ByHand != nil {
		people := e.people(cmd, r.File)
		people.Printf("write into %s:\n", r.File)
		for _, line := range r.ByHand {
			people.Printf("  %s\n", line)
		}
	}
	return fail(fmt.Errorf("%s: %w", r.File, err))
}

// tell writes the result for people.
func (e *rolloutEdit) tell(t *terminal.Writer, r *editResult) error {
	if !r.Changed {
		t.Printf("%s: unchanged, it is so already\n", r.File)
	} else if err := shares.WriteText(t, r.Diff); err != nil {
		return err
	}
	switch {
	case r.Written:
		t.Printf("%s: written, digest %s → %s\n", r.File, r.Before, r.After)
	case r.Changed && e.dryRun:
		t.Printf("%s: not written (--dry-run)\n", r.File)
	}
	for _, line := range slices.Concat(r.Notes, r.Left) {
		t.Printf("%s\n", line)
	}
	return t.Err()
}

// rolledBack says who has the users of a tag after its rollback, where it is not the baseline
// alone, and who keeps the tag.
func (e *rolloutEdit) rolledBack(before, after *rollout.File, rule int, now time.Time, file string) (notes []string) {
	tag, r := e.tags[0], &after.Table().Rules()[rule]
	for _, to := range rollout.Takers(before, after, rule, now, tag) {
		if to.Tag == "" {
			notes = append(notes, fmt.Sprintf("%s of the users had %s and have no tag now: no policy takes the rest. Routes treat them as those without a tag.", to.Share, tag))
			continue
		}
		share := rollout.Share(before, rule, now, to.Tag)
		notes = append(notes, fmt.Sprintf("%s of the users had %s and have %s now, since the numbers of this file cannot give them to the baseline. To have %s keep its share, with other users: tagproc rollout set %s %s=%s --rule %s --allow-leaving",
			to.Share, tag, to.Tag, to.Tag, e.typed(file), words.Shell(to.Tag), share, words.Shell(r.Name)))
	}
	if users := namedFor(after, rule, tag); users != "" {
		keep := "Named users keep " + tag
		if r.Mode != rules.ModeEnforce {
			keep = fmt.Sprintf("Rule %s is in %s and gives no tag. Once it is enforced, named users have %s", r.Name, r.Mode, tag)
		}
		notes = append(notes, fmt.Sprintf("%s: %s. tagproc rollout unname takes it from them.", keep, users))
	}
	return notes
}

// typed returns how the rules are named in another command.
func (e *rolloutEdit) typed(file string) string {
	if e.flags.kubeconfig == "" {
		return words.Shell(file)
	}
	return words.Shell(file) + " --kubeconfig " + words.Shell(e.flags.kubeconfig)
}

// next says when and how the fleet has what is written.
func (e *rolloutEdit) next(r *editResult, place *rulesText, applied bool) (lines []string) {
	switch {
	case !r.Written:
	case place.cluster:
		lines = append(lines, "A tagproc that watches this ConfigMap has it within about a second; where it is mounted, the kubelet takes up to a minute and a half.")
	case applied:
		lines = append(lines, fmt.Sprintf("A cluster has it once it is applied: kubectl apply -f %s. A mounted ConfigMap then takes the kubelet up to a minute and a half.", words.Shell(r.File)))
	case e.verb == "rollback":
		lines = append(lines, "A tagproc that reads this file has it within about a second.")
	}
	if r.File != "-" && !e.dryRun && !e.wait.on {
		lines = append(lines, fmt.Sprintf("tagproc status --rules %s --watch ADDR... waits until all replicas have it.", e.typed(r.File)))
	}
	return lines
}

// namedFor returns the users whom a rule names for a tag.
func namedFor(f *rollout.File, rule int, tag string) string {
	var users []string
	for _, o := range f.Table().Rules()[rule].Overrides {
		if o.TagValue == tag {
			users = append(users, o.Values...)
		}
	}
	if more := len(users) - 5; more > 0 {
		users = append(users[:5], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(users, ", ")
}
