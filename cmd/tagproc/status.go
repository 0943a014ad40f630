package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/fleet"
)

const (
	watchEvery = time.Second     // how often status --watch asks
	watchLimit = 2 * time.Minute // how long, without --timeout
)

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
did in the last minutes. ADDR is where serve has --admin, port 9090 unless it says
otherwise: HOST:PORT, HOST, or unix:///PATH. A name stands for all of its addresses,
such as those of a headless service.

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
			client := fleet.Client{}
			ask := func(ctx context.Context) *fleet.Report {
				return fleet.Judge(client.Ask(ctx, targets), want, time.Now())
			}
			var report *fleet.Report
			if watch {
				report = watchFleet(cmd, ask, cmp.Or(timeout, watchLimit))
			} else {
				client.Timeout = timeout
				report = ask(cmd.Context())
			}
			if cmd.Context().Err() != nil {
				return fail(context.Cause(cmd.Context()))
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
	cmd.Flags().DurationVar(&timeout, "timeout", 0, fmt.Sprintf("how long to wait for the answers (default %s), or to --watch (default %s)", fleet.DefaultTimeout, watchLimit))
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, func() error {
		if cmd.Flags().Changed("timeout") && timeout <= 0 {
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
		if isManifestName(a) && !strings.Contains(a, "://") {
			wrong = fmt.Errorf("%s is a file, and not the address of a replica; did you mean --rules %s?", a, a)
		}
		targets, err = append(targets, t), errors.Join(err, wrong)
	}
	return targets, err
}

// watchFleet asks until all replicas agree or the time is over, the first answers
// included. It says on standard error what changes.
func watchFleet(cmd *cobra.Command, ask func(context.Context) *fleet.Report, timeout time.Duration) *fleet.Report {
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	report := ask(ctx)
	for said := ""; !report.Agree; {
		if now := report.Summary(); now != said {
			stderr(cmd).Printf("%s\n", now)
			said = now
		}
		select {
		case <-ctx.Done():
			if cmd.Context().Err() == nil {
				stderr(cmd).Printf("they do not agree within %s\n", timeout)
			}
			return report
		case <-time.After(watchEvery):
		}
		if next := ask(ctx); ctx.Err() == nil {
			report = next
		}
	}
	return report
}
