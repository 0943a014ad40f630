package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/fleet"
)

// watchEvery is how often status --watch asks.
const watchEvery = time.Second

func newStatusCommand() *cobra.Command {
	var (
		flags   rulesFlags
		out     output
		file    string
		watch   bool
		timeout time.Duration
	)
	cmd := &cobra.Command{
		Use:   "status [ADDR...]",
		Short: "Say whether all replicas decide alike",
		Long: `Ask the admin ports of replicas, all at once, which rules are live and what they
did in the last minutes. ADDR is HOST:PORT, HOST, or unix:///PATH; a name stands
for all of its addresses, such as those of a headless service.

Replicas agree that have the same digest and the same step of ramps, and whose
rules file, as it is now, is live; with --rules, those that have the rules of that
file. Shares are of requests, not of people: the interval comes from how much the
requests of groups of users differ. They never change the exit code.

The exit code is 0 if all replicas agree, 1 if one differs or does not answer, and
2 if the command is not understood.`,
		Example: `  tagproc status
  tagproc status tagproc.istio-system.svc:9090
  tagproc status --rules rules.yaml --watch 10.0.0.1:9090 10.0.0.2:9090   # the last line of a deploy script
  tagproc status -o json unix:///run/tagproc-admin.sock`,
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, err := parseTargets(args)
			if err != nil {
				return err
			}
			var want *fleet.Expectation
			if file != "" {
				t, err := usableRules(cmd, &flags, file, exitProblems)
				if err != nil {
					return err
				}
				want = &fleet.Expectation{File: file, Table: t}
			}
			report := ask(cmd.Context(), targets, want)
			if watch {
				report = watchFleet(cmd, targets, want, report, timeout)
			}
			if out == outputJSON {
				err = stdout(cmd).JSON(report)
			} else {
				err = report.WriteText(stdout(cmd))
			}
			if err == nil && !report.Agree {
				return &failure{}
			}
			return fail(err)
		},
	}
	addOptionalRulesFileFlag(cmd, &file, "rules `FILE` that replicas should have, or a manifest with rules")
	cmd.Flags().BoolVar(&watch, "watch", false, "ask until all replicas agree, or --timeout is over")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to --watch")
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, func() error {
		if timeout <= 0 {
			return fmt.Errorf("--timeout %s: expected more than 0s", timeout)
		}
		return nil
	})
	return cmd
}

// parseTargets reads the addresses of a command; none: the default one.
func parseTargets(args []string) (targets []fleet.Target, err error) {
	if len(args) == 0 {
		args = []string{contract.DefaultAdmin}
	}
	for _, a := range args {
		t, wrong := fleet.ParseTarget(a)
		targets, err = append(targets, t), errors.Join(err, wrong)
	}
	return targets, err
}

func ask(ctx context.Context, targets []fleet.Target, want *fleet.Expectation) *fleet.Report {
	return fleet.Judge(new(fleet.Client).Ask(ctx, targets), want, time.Now())
}

// watchFleet asks again until all replicas agree or the time is over. It says on standard
// error what changes.
func watchFleet(cmd *cobra.Command, targets []fleet.Target, want *fleet.Expectation, report *fleet.Report, timeout time.Duration) *fleet.Report {
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	said := ""
	for !report.Agree {
		if now := report.Summary(); now != said {
			stderr(cmd).Printf("%s\n", now)
			said = now
		}
		select {
		case <-ctx.Done():
			stderr(cmd).Printf("they do not agree within %s\n", timeout)
			return report
		case <-time.After(watchEvery):
		}
		if next := ask(ctx, targets, want); ctx.Err() == nil {
			report = next
		}
	}
	return report
}
