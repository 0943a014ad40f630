package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/kube"
	"github.com/tagproc/tagproc/rollout"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

func newRolloutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "Change one number of a rules file, and see who moves",
		Long: `Change the rules of a rollout in their file: a share, a promotion, a rollback, a
mode, a named user, a schedule. Each command says who moves, and refuses to take
users out of a tag unless --allow-leaving is given; rollback never needs it.

Only the bytes of the numbers change, or new entries come: comments, order, quotes,
line ends and a manifest around the rules stay. The file is replaced in one step,
and not if it changed meanwhile. --dry-run prints a unified diff instead. FILE may
be -: standard input is read, and the result goes to standard output. Or it may be
configmap://NAMESPACE/NAME, and /KEY where it has several: the rules in a ConfigMap,
which is edited in the cluster, and not if it changed meanwhile. --wait waits until
all replicas have the edit.`,
		Example: `  tagproc rollout show rules.yaml
  tagproc rollout set rules.yaml s2=25%
  tagproc rollout rollback rules.yaml
  tagproc rollout set configmap://istio-system/tagproc-rules s2=25% --wait --addr tagproc-admin.istio-system.svc`,
		Args: subcommandOnly,
		RunE: help,
	}
	cmd.AddCommand(newRolloutShowCommand(), newRolloutSetCommand(), newRolloutPromoteCommand(), newRolloutRollbackCommand(),
		newRolloutModeCommand(rules.ModeOff, "Stop a rule: it decides nothing"),
		newRolloutModeCommand(rules.ModeShadow, "Have a rule decide and count, and write nothing"),
		newRolloutModeCommand(rules.ModeEnforce, "Have a rule write its tags"),
		newRolloutNameCommand(), newRolloutUnnameCommand(), newRolloutRampCommand())
	return cmd
}

// rolloutCodes ends the help of each verb.
const rolloutCodes = `

The exit code is 0, 1 if the edit is refused or cannot be made in place (what to write
is printed then), and 2 if the command is not understood.`

func newRolloutShowCommand() *cobra.Command {
	var flags rulesFlags
	var out output
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show the shares of each tag, and what a ramp does next",
		Long: `Show each rule as a ruler of its buckets, with the share of each tag, the mode, and
the steps of ramps. docs/rollouts.md lists the fields of -o json.

The exit code is 0, 1 if the rules are refused, and 2 if the command is not
understood.`,
		Example: "  tagproc rollout show rules.yaml\n  tagproc rollout show -o json rules.yaml",
		Args:    fileAnd(0, 0, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, _, err := readRollout(cmd, &flags, args[0])
			if err != nil {
				return err
			}
			v := f.View(time.Now())
			if out == outputJSON {
				return fail(stdout(cmd).JSON(v))
			}
			return fail(v.WriteText(stdout(cmd), screenWidth(cmd)))
		},
		ValidArgsFunction: completeManifests,
	}
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check)
	return cmd
}

// screenWidth returns the columns of the terminal that a command writes to, or 80.
func screenWidth(cmd *cobra.Command) int {
	if f, ok := cmd.OutOrStdout().(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

func newRolloutSetCommand() *cobra.Command {
	e := rolloutEdit{verb: "set"}
	cmd := e.command("set FILE [RULE] TAG=PERCENT...", "Give tags shares of the users",
		`Give tags shares of the users of a rule. The end of the tag moves, and the tag behind
it gives way or takes what is left, whether the rule has ranges, ranges with from, or
partitions. A share is a percentage or a fraction, such as 25%, 12.5% or 1/3, and
has to be a whole number of buckets. A ramp of the tag ends.`,
		"  tagproc rollout set rules.yaml s2=25%\n  tagproc rollout set rules.yaml checkout s2=25% s3=5%\n  tagproc rollout set rules.yaml s2=25% --dry-run | patch -p0",
		fileAnd(1, -1, "FILE and TAG=PERCENT"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		goals := args[1:]
		if !strings.Contains(goals[0], "=") {
			if e.rule != "" && e.rule != goals[0] {
				return fmt.Errorf("the rule is named twice: %s, and --rule %s", goals[0], e.rule)
			}
			e.rule, goals = goals[0], goals[1:]
		}
		if len(goals) == 0 {
			return errors.New("expected TAG=PERCENT, such as s2=25%")
		}
		var of []rollout.Goal
		for _, g := range goals {
			tag, amount, ok := strings.Cut(g, "=")
			if !ok || tag == "" {
				return fmt.Errorf("%q: expected TAG=PERCENT, such as s2=25%%", g)
			}
			a, err := rollout.ParseAmount(amount)
			if err != nil {
				return err
			}
			of, e.tags = append(of, rollout.Goal{Tag: tag, Amount: a}), append(e.tags, tag)
		}
		e.toNobody = len(of) == 1 && of[0].Amount.IsZero()
		return e.run(cmd, args[0], func(f *rollout.File, rule int, now time.Time) (*rollout.File, error) {
			return f.Set(rule, now, of...)
		})
	}
	e.addLeavingFlag(cmd)
	return cmd
}

func newRolloutPromoteCommand() *cobra.Command {
	e := rolloutEdit{verb: "promote"}
	cmd := e.command("promote FILE TAG", "Give all users to a tag",
		`Give all users of a rule to a tag, which takes them from the tags behind it, and say
what is left to do. With --routes it is said by name: which routes ask for the tag,
which subsets only these lead to, and which Deployments have their pods.`,
		"  tagproc rollout promote rules.yaml s2\n  tagproc rollout promote rules.yaml s2 --routes lanes.yaml --routes deployments.yaml",
		fileAnd(1, 1, "FILE and TAG"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e.tags = args[1:]
		return e.run(cmd, args[0], func(f *rollout.File, rule int, now time.Time) (*rollout.File, error) {
			return f.Promote(rule, now, args[1])
		})
	}
	cmd.Flags().StringArrayVar(&e.routes, "routes", nil, "`FILE` with lanes, routes, subsets, Services or Deployments, or an Envoy's own configuration, to say what is left to do; repeatable")
	e.addLeavingFlag(cmd)
	return cmd
}

func newRolloutRollbackCommand() *cobra.Command {
	e := rolloutEdit{verb: "rollback", mayLeave: true}
	cmd := e.command("rollback FILE [TAG]", "Take a tag from all users, at once",
		`Take a tag from all users of a rule. They get the baseline's, which is the last
policy's where that takes the rest, or else none; other tags keep their users. Without
TAG it is the only canary: the tag, beside the baseline's, that has users or will
have. It never needs a flag. Users whom overrides name keep the tag: they are listed,
and "tagproc rollout unname" takes it from them.`,
		"  tagproc rollout rollback rules.yaml\n  tagproc rollout rollback rules.yaml s2",
		fileAnd(0, 1, "FILE, and TAG where there are several canaries"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e.tags = args[1:]
		return e.run(cmd, args[0], func(f *rollout.File, rule int, now time.Time) (*rollout.File, error) {
			return f.Rollback(rule, now, e.tags[0])
		})
	}
	return cmd
}

func newRolloutModeCommand(mode rules.Mode, short string) *cobra.Command {
	e := rolloutEdit{verb: mode.String()}
	cmd := e.command(e.verb+" FILE", short, short+".", fmt.Sprintf("  tagproc rollout %s rules.yaml --rule checkout", e.verb), fileAnd(0, 0, "FILE"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.run(cmd, args[0], func(f *rollout.File, rule int, _ time.Time) (*rollout.File, error) {
			return f.SetMode(rule, mode)
		})
	}
	if mode == rules.ModeEnforce {
		e.mayLeave = true
	} else {
		e.addLeavingFlag(cmd)
	}
	return cmd
}

func newRolloutNameCommand() *cobra.Command {
	e := rolloutEdit{verb: "name", mayLeave: true}
	cmd := e.command("name FILE TAG USER...", "Give a tag to named users, whatever their hash says",
		`Give a tag to named users, whatever their hash says, by the overrides of a rule. Where
the rule has several keys, USER is a value of the first.`,
		"  tagproc rollout name rules.yaml s2 jason 0001",
		fileAnd(2, -1, "FILE, TAG and USER"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e.tags, e.users = args[1:2], args[2:]
		return e.run(cmd, args[0], func(f *rollout.File, rule int, _ time.Time) (*rollout.File, error) {
			return f.SetNames(rule, args[1], args[2:]...)
		})
	}
	return cmd
}

func newRolloutUnnameCommand() *cobra.Command {
	e := rolloutEdit{verb: "unname", mayLeave: true}
	cmd := e.command("unname FILE USER...", "Have the hash decide on named users again",
		`Remove users from the overrides of a rule, so that the hash decides on them.`,
		"  tagproc rollout unname rules.yaml jason",
		fileAnd(1, -1, "FILE and USER"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.run(cmd, args[0], func(f *rollout.File, rule int, _ time.Time) (*rollout.File, error) {
			return f.RemoveNames(rule, args[1:]...)
		})
	}
	return cmd
}

func newRolloutRampCommand() *cobra.Command {
	e := rolloutEdit{verb: "ramp"}
	cmd := e.command("ramp FILE TAG PERCENT@INSTANT...", "Give a tag a schedule of shares",
		`Give a tag a schedule of shares, in the place of its range or of an earlier schedule.
INSTANT is one with its offset, or +DURATION: from the step before it, and the first
one from now. They are written as instants. The share that the tag has now it keeps
until the first step.`,
		"  tagproc rollout ramp rules.yaml s2 10%@2026-12-01T09:00:00+01:00 50%@+24h 100%@+24h",
		fileAnd(2, -1, "FILE, TAG and PERCENT@INSTANT"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e.now = time.Now()
		steps, err := rollout.ParseRamp(e.now, args[2:]...)
		if err != nil && len(args) > 3 && !strings.Contains(args[2], "@") && strings.Contains(args[3], "@") {
			return fmt.Errorf("%w; %s", err, byRule(cmd, args))
		} else if err != nil {
			return err
		}
		e.tags = args[1:2]
		return e.run(cmd, args[0], func(f *rollout.File, rule int, now time.Time) (*rollout.File, error) {
			return f.Ramp(rule, now, args[1], steps...)
		})
	}
	e.addLeavingFlag(cmd)
	return cmd
}

// fileAnd checks that a file and from least to most arguments more are there; -1: any number.
func fileAnd(least, most int, expected string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		n := len(args) - 1
		if n < least || most >= 0 && n > most {
			hint := ""
			if most >= 0 && n == most+1 && cmd.Flags().Lookup("rule") != nil {
				hint = "; " + byRule(cmd, args)
			}
			return fmt.Errorf("%s: expected %s, got %s%s", cmd.CommandPath(), expected, words.Counted(len(args), "argument"), hint)
		}
		return fileFirst(cmd, args)
	}
}

// fileFirst refuses arguments whose file, or ConfigMap, is not the first one.
func fileFirst(cmd *cobra.Command, args []string) error {
	switch {
	case kube.IsReference(args[0]):
		_, err := kube.ParseReference(args[0])
		return err
	case args[0] == "-" || exists(args[0]):
		return nil
	}
	i := slices.IndexFunc(args, func(a string) bool { return kube.IsReference(a) || isManifestName(a) && exists(a) })
	if i < 0 {
		return nil
	}
	return fmt.Errorf("FILE comes first: %s", typed(cmd, slices.Concat(args[i:i+1], args[:i], args[i+1:])...))
}

// typed returns a command with arguments, as a shell takes it.
func typed(cmd *cobra.Command, args ...string) string {
	line := []string{cmd.CommandPath()}
	for _, a := range args {
		line = append(line, words.Shell(a))
	}
	return strings.Join(line, " ")
}

// byRule says how the rule is named that may stand behind the file.
func byRule(cmd *cobra.Command, args []string) string {
	return "the rule is named by --rule: " + typed(cmd, slices.Concat(args[:1], args[2:], []string{"--rule", args[1]})...)
}

// readRollout reads rules that are to be shown or edited.
func readRollout(cmd *cobra.Command, flags *rulesFlags, name string) (*rollout.File, *rulesText, error) {
	text, wrong := flags.read(cmd, name)
	if wrong != nil {
		return nil, nil, fail(errors.New(wrong.String()))
	}
	f, problems := rollout.Read(text.name, text.bytes, flags.options())
	if f == nil {
		writeProblems(stderr(cmd), problems)
		return nil, nil, &failure{}
	}
	writeProblems(stderr(cmd), slices.DeleteFunc(problems, func(p source.Problem) bool { // what concerns the edit
		return p.Kind != rules.KindEnvelope || p.Severity != source.Warning
	}))
	return f, text, nil
}
