package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/source"
)

func newValidateCommand() *cobra.Command {
	var flags rulesFlags
	var out output
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check rules files",
		Long: `Check rules files as serve does. Rules may be bare, in a WasmPlugin, in a
TrafficExtension, in an ASMHashTagging, in a ConfigMap, or in a List of one. Every problem of every file is listed with its place. The exit code is 0 if
all files are usable (warnings may remain), 1 if one is not, and 2 if the command
is not understood. FILE may be -, standard input.`,
		Example: `  tagproc validate rules.yaml
  tagproc validate -o json canary/*.yaml
  kubectl get wasmplugin hash-tagging -n istio-system -o yaml | tagproc validate -`,
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return errors.New("expected the names of the files to check, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			results := make([]validation, 0, len(files))
			for _, file := range files {
				results = append(results, validate(cmd, &flags, file))
			}
			return report(cmd, results, out)
		},
		ValidArgsFunction: completeManifests,
	}
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check)
	return cmd
}

// A validation is the result for one file, in the form of -o json.
type validation struct {
	File     string          `json:"file"`
	OK       bool            `json:"ok"`
	Digest   string          `json:"digest,omitempty"` // of a usable file
	Rules    int             `json:"rules"`            // of a usable file
	Problems source.Problems `json:"problems"`
}

func validate(cmd *cobra.Command, flags *rulesFlags, file string) validation {
	t, problems := loadRules(cmd, flags, file)
	v := validation{File: file, OK: t != nil, Problems: problems}
	if v.Problems == nil {
		v.Problems = source.Problems{}
	}
	if v.OK {
		v.Digest, v.Rules = t.Digest(), len(t.Rules())
	}
	return v
}

func report(cmd *cobra.Command, results []validation, out output) error {
	var err error
	for _, v := range results {
		if !v.OK {
			err = &failure{}
		}
	}
	if out == outputJSON {
		if err := stdout(cmd).JSON(results); err != nil {
			return fail(err)
		}
		return err
	}
	for _, v := range results {
		writeProblems(stdout(cmd), v.Problems)
		if v.OK {
			stdout(cmd).Printf("%s: ok, %s, digest %s\n", v.File, words.Counted(v.Rules, "rule"), v.Digest)
		}
	}
	return err
}
