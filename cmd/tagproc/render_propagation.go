package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/istio/propagation"
)

func newRenderPropagationCommand() *cobra.Command {
	var (
		flags rulesFlags
		out   rendered
		side  sidecarFlags
		as    asFlag
		o     propagation.Options
	)
	cmd := &cobra.Command{
		Use:   "propagation FILE...",
		Short: "Make sidecars restore tags from baggage",
		Long: `Print the EnvoyFilter with which sidecars turn the members of baggage that carry
tags into request headers, outbound and before the route is chosen, so that routes
at every hop match them. The gateway's tagproc writes the tags into baggage; the
applications forward baggage, as OpenTelemetry's libraries do.

FILE is a rules file with propagation, or unchanged ASMHeaderPropagation manifests:
one EnvoyFilter for each, in its namespace and for the pods that it selects. With
rules beside them, only the tag headers of the rules travel, as at the gateway.
FILE may be -, standard input.

--inbound adds the opposite direction, for tags that something other than tagproc
sets: inbound, a header becomes a member. Headers that clients send are then tags,
unless the gateway removes them.

--data-path says what restores the tags: lua, Envoy's own Lua filter, which needs
nothing else in a pod; or ext_proc, tagproc itself at a socket beside every sidecar. --as trafficextension prints Lua as
TrafficExtensions of Istio 1.30 and newer instead of an EnvoyFilter.`,
		Example: `  tagproc render propagation rules.yaml
  tagproc render propagation header-propagation.yaml --inbound
  tagproc render propagation rules.yaml header-propagation.yaml --output-dir manifests/
  tagproc render propagation rules.yaml --namespace shop --selector app=cart --name cart-propagation
  tagproc render propagation rules.yaml --data-path ext_proc --address unix:///run/tagproc/tagproc.sock`,
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return errors.New("expected a rules file, files with ASMHeaderPropagations, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			docs, problems := readDocuments(cmd, files)
			if problems.Err() != nil {
				writeProblems(stderr(cmd), problems)
				return &failure{}
			}
			scopes, problems := propagation.Read(docs, flags.options())
			writeProblems(stderr(cmd), problems)
			if scopes == nil {
				return &failure{}
			}
			if o.Name != "" && len(scopes) > 1 {
				return fmt.Errorf("--name %s: %d EnvoyFilters would have this name; leave it out, and each gets the name of its manifest", o.Name, len(scopes))
			}
			var objects []*manifest.Object
			for _, s := range scopes {
				if as.extension() {
					extensions, err := propagation.PropagationExtensions(s, o)
					if err != nil {
						return fail(err)
					}
					objects = append(objects, extensions...)
					continue
				}
				object, err := propagation.Propagation(s, o)
				if err != nil {
					return fail(err)
				}
				objects = append(objects, object)
			}
			return out.write(cmd, files, objects...)
		},
		ValidArgsFunction: completeManifests,
	}
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "", "name of the EnvoyFilter (default: that of the manifest, or tagproc-propagation)")
	f.StringVar(&o.Namespace, "namespace", "", "namespace of the pods (default: that of the manifest, or default)")
	f.StringSliceVar(&o.Selector, "selector", nil, "label of the pods, `KEY=VALUE`; repeatable: pods that have all of them (default: those of the manifest, or all pods)")
	f.BoolVar(&o.Inbound, "inbound", false, "also turn headers into members, inbound")
	side.addTo(cmd, &o)
	as.addTo(cmd)
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, out.check, as.check, func() error { return side.check(cmd, &o) })
	return cmd
}

// sidecarFlags are the flags of commands that render filters of sidecars.
type sidecarFlags struct{ dataPath string }

func (s *sidecarFlags) addTo(cmd *cobra.Command, o *propagation.Options) {
	cmd.Flags().StringVar(&s.dataPath, "data-path", string(propagation.Lua), "what runs beside the application: lua (Envoy alone) or ext_proc (tagproc at a socket)")
	cmd.Flags().StringVar(&o.Address, "address", "unix:///run/tagproc/tagproc.sock", "with --data-path ext_proc: where each sidecar reaches tagproc, unix:///PATH")
	completeWith(cmd, "data-path", string(propagation.Lua), string(propagation.ExtProc))
}

// check completes the options, and returns an error for each flag that is wrong.
func (s *sidecarFlags) check(cmd *cobra.Command, o *propagation.Options) error {
	o.DataPath = propagation.DataPath(s.dataPath)
	var unused error
	if cmd.Flags().Changed("address") && o.DataPath == propagation.Lua {
		unused = errors.New("--address has no effect without --data-path ext_proc: Envoy's Lua filter asks nobody")
	}
	return errors.Join(unused, o.Check())
}
