package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/istio/propagation"
)

func newRenderRecomputeCommand() *cobra.Command {
	var (
		flags rulesFlags
		out   rendered
		side  sidecarFlags
		as    asFlag
		file  string
		o     propagation.Options
	)
	cmd := &cobra.Command{
		Use:   "recompute --rules FILE",
		Short: "Make sidecars derive tags again from the user's id",
		Long: `Print the EnvoyFilter with which sidecars derive tags again by the same rules,
named users included, outbound and before the route is chosen. It is for
applications that forward the header or cookie with the user's id, but neither tags
nor baggage. A tag that the request already has stays, and one from baggage wins.

This has a cost: with --data-path lua the ratios are part of the configuration of
every sidecar. After each edit of the rules, render and apply this again. Until
every sidecar has it, hops may disagree on users whom the edit moves. To compare,
read the digest of the rules from the configuration of each sidecar:

  istioctl proxy-config listeners POD -o json | grep -o 'rules digest: [0-9a-f]*'

--as trafficextension prints it as a TrafficExtension of Istio 1.30 and newer.
With --data-path ext_proc tagproc decides, at a socket beside every sidecar. Rules
about hosts, paths, queries and visitors are refused: requests between applications
do not have what such rules look at.

FILE may be -, standard input.`,
		Example: `  tagproc render recompute --rules rules.yaml --namespace default
  tagproc render recompute --rules rules.yaml --selector app=cart --name cart-recompute | kubectl apply -f -
  tagproc render recompute --rules rules.yaml --data-path ext_proc --address unix:///run/tagproc/tagproc.sock`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := usableRules(cmd, &flags, file, exitProblems)
			if err != nil {
				return err
			}
			render := propagation.Recompute
			if as.extension() {
				render = propagation.RecomputeExtension
			}
			object, err := render(t, o)
			if err != nil {
				return fail(inFile(file, err))
			}
			for _, w := range propagation.RecomputeWarnings(t, o.DataPath) {
				stderr(cmd).Printf("%s: warning: %s\n", file, w)
			}
			return out.write(cmd, args, object)
		},
	}
	addRulesFileFlag(cmd, &file)
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "", "name of the EnvoyFilter (default \"tagproc-recompute\")")
	f.StringVar(&o.Namespace, "namespace", "default", "namespace of the pods")
	f.StringSliceVar(&o.Selector, "selector", nil, "label of the pods, `KEY=VALUE`; repeatable: pods that have all of them (default: all pods)")
	side.addTo(cmd, &o)
	as.addTo(cmd)
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, out.check, as.check, func() error { return side.check(cmd, &o) })
	return cmd
}

// inFile returns err with the file's name before each of its lines.
func inFile(file string, err error) error {
	var errs []error
	for _, e := range joined(err) {
		errs = append(errs, fmt.Errorf("%s: %w", file, e))
	}
	return errors.Join(errs...)
}
