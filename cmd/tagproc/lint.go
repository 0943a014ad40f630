package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/internal/terminal"
	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/istio/lint"
	"github.com/tagproc/tagproc/kube"
	"github.com/tagproc/tagproc/source"
)

func newLintCommand() *cobra.Command {
	var (
		flags    rulesFlags
		out      output
		warnings bool
		envoys   []string
	)
	cmd := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Find what does not work in rules and manifests",
		Long: `Read rules files and manifests together, and say what does not work, why, and the
fix: a key that Envoy does not forward, a filter that names a missing cluster, a tag
that no route matches. docs/lint.md lists the checks.

An Envoy's own configuration is read beside rules too, without Istio: a bootstrap, or
what /config_dump of its admin port returns; --envoy asks a live one for it. Of
manifests, lint reads what needs no Istio: rules, EnvoyFilters, tagproc's pods, its
Service and its mounts. Routes, subsets and gateways mean what Istio makes of them:
tagproc-mesh lint reads the same files and checks those too.

FILE may be a directory, whose *.yaml, *.yml and *.json files are read at any depth,
or -, standard input. Rules may be bare, in a WasmPlugin, in a TrafficExtension, in
an ASMHashTagging, or in a ConfigMap. If an object appears twice, the last one
counts, as if all were applied in this order.

A check runs only if its objects are given: without a ConfigMap no mount is reported
as wrong. The last lines say what lint looked at, how many checks it did not run, and
what is for tagproc-mesh. "other" counts what no check looks at.

The exit code is 0 if there are no errors (warnings may remain; -W makes them
errors), 1 if there are errors, and 2 if the command is not understood.`,
		Example: `  tagproc lint rules.yaml manifests/
  tagproc lint rules.yaml envoy.yaml                                              # an Envoy of your own
  tagproc lint rules.yaml --envoy 127.0.0.1:9901                                  # one that runs
  kubectl kustomize deploy/kustomize/overlays/sidecar | tagproc lint - deploy/envoyfilter/sidecar.yaml
  tagproc lint -W -o json rules.yaml manifests/                                   # for CI
  (kubectl get envoyfilter,svc,deploy,sts,ds -A -o yaml; echo ---
   kubectl get cm tagproc-rules -n istio-system -o yaml) | tagproc lint -          # what runs`,
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return errors.New("expected files or directories with rules and manifests, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			files, refused := lintFiles(cmd, &flags, args)
			for _, addr := range envoys {
				src, wrong := readEnvoy(cmd, addr)
				if wrong != nil {
					refused = append(refused, lint.Finding{Problem: *wrong})
					continue
				}
				files = append(files, lint.File{Name: addr, Source: src})
			}
			r := lint.Files(files, flags.options())
			r.Findings = slices.Insert(r.Findings, 0, refused...)
			if warnings {
				for i := range r.Findings {
					r.Findings[i].Severity = source.Error
				}
			}
			if err := writeLint(stdout(cmd), r, out); err != nil {
				return fail(err)
			}
			if r.Errors() > 0 {
				return &failure{}
			}
			return nil
		},
		ValidArgsFunction: completeManifests,
	}
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check)
	cmd.Flags().StringArrayVar(&envoys, "envoy", nil, "`ADDR` of the admin port of a live Envoy, whose configuration is read too; repeatable")
	cmd.Flags().BoolVarP(&warnings, "warnings-as-errors", "W", false, "treat warnings as errors")
	return cmd
}

// lintFiles returns the contents of files and of a configmap://, those of directories in the
// order of their names. Each file that cannot be read is a finding.
func lintFiles(cmd *cobra.Command, flags *rulesFlags, args []string) (files []lint.File, refused []lint.Finding) {
	refuse := func(p source.Problem) { refused = append(refused, lint.Finding{Problem: p}) }
	add := func(name string, swept bool) {
		src, wrong := read(cmd, name, source.MaxFileSize)
		switch {
		case wrong != nil:
			refuse(*wrong)
		case !swept && len(src) <= source.MaxFileSize && isBlank(src):
			refuse(source.Problem{File: name, Kind: source.KindEmpty, Message: "has only comments and blanks; did the command that wrote it fail?"})
		default:
			files = append(files, lint.File{Name: name, Source: src, Swept: swept})
		}
	}
	for _, arg := range args {
		if kube.IsReference(arg) {
			if text, wrong := flags.read(cmd, arg); wrong != nil {
				refuse(*wrong)
			} else {
				files = append(files, lint.File{Name: text.name, Source: text.bytes})
			}
			continue
		}
		if arg == "-" {
			add(arg, false)
			continue
		}
		if info, err := os.Stat(arg); err != nil || !info.IsDir() {
			add(arg, false)
			continue
		}
		found := false
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !d.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(path))) {
				found = true
				if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // a pipe may never end
					refuse(source.Problem{File: path, Kind: source.KindUnreadable, Message: "is a pipe or a device; in a directory lint reads files alone: name it to have it read"})
					return nil
				}
				add(path, true)
			}
			return nil
		})
		switch {
		case err != nil:
			refuse(*unreadable(arg, err))
		case !found:
			refuse(source.Problem{File: arg, Kind: source.KindEmpty, Message: "directory has no *.yaml, *.yml or *.json file"})
		}
	}
	return files, refused
}

// isBlank reports whether a file has no document.
func isBlank(src []byte) bool {
	for line := range bytes.Lines(src) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

func writeLint(t *terminal.Writer, r *lint.Report, out output) error {
	if out == outputJSON {
		return t.JSON(r)
	}
	for _, f := range r.Findings {
		if t.IsTerminal() {
			writeProblem(t, f.WithFix())
		} else {
			t.Printf("%s\n", f)
		}
	}
	seen := make([]string, 0, len(r.LookedAt))
	for _, s := range r.LookedAt {
		of := make([]string, 0, len(s.Of))
		for _, o := range s.Of {
			of = append(of, fmt.Sprintf("%d %s", o.Count, o.Kind))
		}
		count := strconv.Itoa(s.Count)
		if len(of) > 0 {
			count += ": " + strings.Join(of, ", ")
		}
		seen = append(seen, fmt.Sprintf("%s (%s)", s.Kind, count))
	}
	if len(seen) == 0 && len(r.ForMesh) > 0 {
		seen = []string{"nothing of tagproc's"}
	} else if len(seen) == 0 {
		seen = []string{"nothing: the files have no rules and no manifests"}
	}
	t.Printf("%s, %s; looked at %s\n", words.Counted(r.Errors(), "error"), words.Counted(len(r.Findings)-r.Errors(), "warning"), strings.Join(seen, ", "))
	if len(r.LookedAt) > 0 { // else nothing was checked: the line above says so
		writeNotChecked(t, r.NotChecked)
	}
	if len(r.ForMesh) > 0 {
		kinds := make([]string, 0, len(r.ForMesh))
		for _, s := range r.ForMesh {
			kinds = append(kinds, fmt.Sprintf("%d %s", s.Count, s.Kind))
		}
		t.Printf("not checked: %s, which mean what Istio makes of them: tagproc-mesh lint checks them, with the same files\n", strings.Join(kinds, ", "))
	}
	return t.Err()
}

// writeNotChecked says in one line how many kinds of findings were not looked for, and
// how many of them each thing that the files lack would be needed for.
func writeNotChecked(t *terminal.Writer, ns []lint.NotChecked) {
	var lacks []string
	total, of := 0, map[string]int{}
	for _, n := range ns {
		total += len(n.Kinds)
		for _, what := range n.Lacks {
			if of[what] == 0 {
				lacks = append(lacks, what)
			}
			of[what] += len(n.Kinds)
		}
	}
	if total == 0 {
		return
	}
	for i, what := range lacks {
		lacks[i] = fmt.Sprintf("%s (%d)", what, of[what])
	}
	t.Printf("not checked: %s of findings, for lack of %s (-o json names them)\n", words.Counted(total, "kind"), strings.Join(lacks, ", "))
}
