package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/mesh"
	"github.com/tagproc/tagproc/source"
)

func newLintCommand() *cobra.Command {
	var (
		in       input
		warnings bool
	)
	cmd := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Find what does not work in rules and manifests, as Istio reads them",
		Long: `Have Istio make the Envoys of manifests, and say what does not work in them, why, and
the fix: what the API server or Istio refuses, what istioctl analyze says, and, in the
Envoy of each gateway and of each kind of pod, tags that no route takes, routes that
are never reached, subsets without pods, a filter that no gateway gets. What tagproc
lint finds in the manifests themselves is found too. docs/mesh.md has more.

FILE may be a directory, whose *.yaml, *.yml and *.json files are read at any depth,
or -, standard input. Give it everything that is in force together, rules included.

What cannot be told by these files is said in the last lines, and is no finding.

The exit code is 0 if there are no errors (warnings may remain; -W makes them
errors), 1 if there are errors, and 2 if the command is not understood.`,
		Example: `  tagproc-mesh lint rules.yaml manifests/
  kubectl kustomize overlays/production | tagproc-mesh lint - rules.yaml
  tagproc-mesh lint -n shop -o json rules.yaml manifests/                # for CI`,
		Args: needFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := read(cmd, args)
			if err != nil {
				return err
			}
			r, err := mesh.Lint(files, in.options())
			if err != nil {
				return err
			}
			if warnings {
				for i := range r.Findings {
					if r.Findings[i].Severity == source.Warning {
						r.Findings[i].Severity = source.Error
					}
				}
			}
			if in.json {
				err = stdout(cmd).JSON(r)
			} else {
				writeReport(cmd, r)
			}
			if err == nil && r.Errors() > 0 {
				return errReported
			}
			return err
		},
	}
	in.addTo(cmd)
	cmd.Flags().BoolVarP(&warnings, "warnings-as-errors", "W", false, "treat warnings as errors")
	return cmd
}

func writeReport(cmd *cobra.Command, r *mesh.Report) {
	t := stdout(cmd)
	notes := 0
	for _, f := range r.Findings {
		t.Printf("%s\n", f)
		if f.Severity == source.Note {
			notes++
		}
	}
	for _, what := range r.Taken {
		t.Printf("taken: %s\n", what)
	}
	for _, what := range r.NotChecked {
		t.Printf("cannot tell: %s\n", what)
	}
	looked := "no Envoy: the files have no Gateway and no pods with a sidecar"
	if len(r.LookedAt) > 0 {
		looked = words.Counted(len(r.LookedAt), "Envoy") + " (" + strings.Join(r.LookedAt, ", ") + ")"
	}
	t.Printf("%s, %s; looked at %s\n", words.Counted(r.Errors(), "error"), words.Counted(len(r.Findings)-r.Errors()-notes, "warning"), looked)
}
