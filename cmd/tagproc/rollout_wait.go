package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/fleet"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/rollout"
)

// A fleetWait is --wait of an edit: all replicas are to have it before the command ends.
type fleetWait struct {
	on        bool
	addresses []string
	timeout   time.Duration
	targets   []fleet.Target
}

func (w *fleetWait) addTo(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.on, "wait", false, "wait until all replicas have the edit, as status --watch does")
	cmd.Flags().StringArrayVar(&w.addresses, "addr", nil, "with --wait, `ADDR` of the admin ports of replicas, as of status; repeatable (default: "+contract.DefaultAdmin+")")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 0, fmt.Sprintf("how long to --wait (default %s)", watchLimit))
}

// check returns a usage error that names every wrong flag.
func (w *fleetWait) check(cmd *cobra.Command, dryRun bool) (err error) {
	if !w.on && (w.addresses != nil || w.timeout != 0) {
		err = errors.New("--addr, --timeout: expected --wait, which they are for")
	}
	if w.on && dryRun {
		err = errors.Join(err, errors.New("--wait: expected no --dry-run: replicas get nothing by it"))
	}
	if cmd.Flags().Changed("timeout") && w.timeout <= 0 {
		err = errors.Join(err, fmt.Errorf("--timeout %s: expected more than 0s", w.timeout))
	}
	targets, wrong := parseTargets(w.addresses)
	w.targets = targets
	return errors.Join(err, wrong)
}

// refusal returns an error if no replica learns of an edit of the file until somebody acts.
func (w *fleetWait) refusal(f *rollout.File, text *rulesText) error {
	switch {
	case !w.on || text.cluster:
	case text.name == "-":
		return errors.New("--wait: expected a file that replicas read, or configmap://NAMESPACE/NAME, and not standard input")
	case f.Applied():
		return fmt.Errorf("--wait: %s is a manifest, which replicas have once it is applied; edit the cluster's by configmap://NAMESPACE/NAME, or apply it, and then: tagproc status --rules %s --watch ADDR", text.name, words.Shell(text.name))
	}
	return nil
}

// until asks until all replicas have the rules of a file, or the time is over.
func (w *fleetWait) until(cmd *cobra.Command, f *rollout.File) *fleet.Report {
	want, client := &fleet.Expectation{File: f.Name, Table: f.Table()}, fleet.Client{}
	return watchFleet(cmd, func(ctx context.Context) *fleet.Report {
		return fleet.Judge(client.Ask(ctx, w.targets), want, time.Now())
	}, cmp.Or(w.timeout, watchLimit))
}
