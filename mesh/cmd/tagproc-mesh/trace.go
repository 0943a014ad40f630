package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/mesh"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/trace"
)

func newTraceCommand() *cobra.Command {
	var (
		in      input
		from    string
		file    string
		headers []string
		chain   bool
		calls   []string
		want    string
	)
	cmd := &cobra.Command{
		Use:   "trace FILE... [--from gateway|WORKLOAD] -H 'NAME: VALUE'...",
		Short: "Say where Istio sends a request, and why",
		Long: `Say which route of which Envoy takes a request, to which cluster, and why no route
before takes it, by manifests alone: Istio's control plane makes the Envoys of them.
Give it everything that is in force together, the rules too.

FILE may be a directory, whose *.yaml, *.yml and *.json files are read at any depth,
or -, standard input. What the manifests lack and what is taken in its place, such
as the pods of a gateway, is said as a note.

--chain follows the request through applications that call each other, which --calls
or a lanes file among the files names, and prints the version of each. Applications
are taken to forward all headers.

The exit code is 0, 1 if a file is refused or the line is not that of --want, and 2
if the command is not understood.`,
		Example: `  tagproc-mesh trace manifests/ rules.yaml --from gateway -H 'x-user-id: jack'
  tagproc-mesh trace manifests/ --from default/mockb-s1 -H ':authority: mockc' -H 'x-asm-prefer-tag: s2'
  tagproc-mesh trace manifests/ --chain --calls mocka,mockb,mockc -H 'x-user-id: jack'`,
		Args: needFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := requestOf(headers)
			if err != nil {
				return &usageError{err}
			}
			m, e, err := build(cmd, &in, args, file)
			if err != nil {
				return err
			}
			table, err := onlyRules(m)
			if err != nil {
				return err
			}
			one, err := e.From(from)
			if err != nil {
				return err
			}
			if chain || len(calls) > 0 {
				if len(calls) == 0 {
					if calls, err = m.Calls(); err != nil {
						return &usageError{err}
					}
				}
				return writeChain(cmd, &in, e, one, table, request, calls, want)
			}
			way, err := one.Trace(table, request)
			if err != nil {
				return err
			}
			e.Rename(way)
			if in.json {
				return stdout(cmd).JSON(way)
			}
			return trace.WriteText(stdout(cmd), way)
		},
	}
	in.addTo(cmd)
	cmd.Flags().StringVar(&from, "from", mesh.Gateway, "`ENVOY` that the request comes to: gateway, or that of a workload as NAMESPACE/NAME, which sends it")
	cmd.Flags().StringVar(&file, "rules", "", "rules `FILE`, or a manifest with rules, in place of those among the files")
	cmd.Flags().StringArrayVarP(&headers, "header", "H", nil, "header of the request, as `'NAME: VALUE'`, :authority, :path, :method and :scheme among them; repeatable")
	cmd.Flags().BoolVar(&chain, "chain", false, "follow the request from hop to hop and print who answers")
	cmd.Flags().StringSliceVar(&calls, "calls", nil, "`APPS` that call each other, in order, each as the next one's caller asks for it: mocka,mockb,mockc (default: the services of a lanes file)")
	cmd.Flags().StringVar(&want, "want", "", "expected `LINE` of --chain, such as '-> mocka(v1) -> mockb(v1)'")
	return cmd
}

// build reads files and has Istio make Envoys of them.
func build(cmd *cobra.Command, in *input, args []string, rulesFile string) (*mesh.Manifests, *mesh.Envoys, error) {
	files, err := read(cmd, args)
	if err != nil {
		return nil, nil, err
	}
	m := mesh.Read(files, in.options())
	if rulesFile != "" {
		own, err := read(cmd, []string{rulesFile})
		if err != nil {
			return nil, nil, err
		}
		r := mesh.Read(own, in.options())
		if m.Rules, m.Problems = r.Rules, append(m.Problems, r.Problems...); len(r.Rules) == 0 && r.Problems.Err() == nil {
			return nil, nil, fmt.Errorf("%s has no rules", rulesFile)
		}
	}
	writeProblems(cmd, m.Problems)
	if m.Problems.Err() != nil {
		return nil, nil, errReported
	}
	e, err := mesh.Build(m, in.options())
	if err != nil {
		return nil, nil, err
	}
	writeProblems(cmd, e.Notes)
	return m, e, nil
}

func writeProblems(cmd *cobra.Command, ps source.Problems) {
	for _, p := range ps {
		stderr(cmd).Printf("%s\n", p)
	}
}

// onlyRules returns the rules of the files as they are in force now, or nil.
func onlyRules(m *mesh.Manifests) (*rules.Table, error) {
	if len(m.Rules) == 0 {
		return nil, nil //nolint:nilnil // without rules nothing is known of what tagproc decides
	}
	if len(m.Rules) > 1 {
		var places []string
		for _, r := range m.Rules {
			places = append(places, r.At.Place().String())
		}
		return nil, &usageError{fmt.Errorf("there are several sets of rules, at %s; name the one in force by --rules FILE", strings.Join(places, ", "))}
	}
	t, _ := m.Rules[0].Table.At(time.Now())
	return t, nil
}

// requestOf returns the request with headers, pseudo-headers among them.
func requestOf(headers []string) (envoyconf.Request, error) {
	r := envoyconf.Request{Path: "/"}
	var errs []error
	for _, h := range headers {
		begin := min(1, len(h)) // of a pseudo-header the first colon is of the name
		i := strings.IndexByte(h[begin:], ':') + begin
		if i < begin {
			errs = append(errs, fmt.Errorf("-H %q: expected 'NAME: VALUE'", h))
			continue
		}
		value := strings.Trim(h[i+1:], " \t")
		switch name := strings.ToLower(strings.TrimSpace(h[:i])); name {
		case ":authority", "host":
			r.Authority = value
		case ":path":
			r.Path = value
		case ":method":
			r.Method = value
		case ":scheme":
			r.Scheme = value
		default:
			r.Headers = append(r.Headers, envoyconf.Header{Name: name, Value: value})
		}
	}
	return r, errors.Join(errs...)
}

// writeChain follows a request and writes its chain.
func writeChain(cmd *cobra.Command, in *input, e *mesh.Envoys, from *mesh.Envoy, table *rules.Table, request envoyconf.Request, calls []string, want string) error {
	c := e.Chain(from, table, request, calls)
	var err error
	if in.json {
		err = stdout(cmd).JSON(c)
	} else {
		stdout(cmd).Printf("%s\n", c.Line())
		var open []string
		for _, l := range c.Hops {
			for _, what := range l.CannotTell {
				if line := l.Name + ": " + what; !slices.Contains(open, line) {
					open = append(open, line)
				}
			}
		}
		for _, line := range open {
			stdout(cmd).Printf("open %s\n", line)
		}
	}
	if err == nil && want != "" && c.Line() != want {
		stderr(cmd).Printf("want %s\n", want)
		return errReported
	}
	return err
}
