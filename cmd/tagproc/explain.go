package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tagproc/tagproc/explain"
	tagprocv1 "github.com/tagproc/tagproc/proto/tagproc/v1"
	"github.com/tagproc/tagproc/rules"
)

func newExplainCommand() *cobra.Command {
	var (
		flags   rulesFlags
		out     output
		file    string
		headers []string
		wants   []string
	)
	cmd := &cobra.Command{
		Use:   "explain --rules FILE -H 'NAME: VALUE'...",
		Short: "Say why a request gets its tags",
		Long: `Say which tags a request with the given headers gets, and why: the hash, the
bucket, and the policy or named user that decided. The decision is made by the
code that serves requests.

With --want the exit code is 1 if the tag is another one.`,
		Example: `  tagproc explain --rules rules.yaml -H 'x-user-id: jack'
  tagproc explain --rules rules.yaml -H 'x-user-id: jack' -o json
  tagproc explain --rules rules.yaml -H 'x-user-id: jack' --want x-asm-prefer-tag=s2
  tagproc explain --rules rules.yaml -H 'x-user-id: vance' --want appver-a=   # not tagged`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request, err := parseHeaders(headers)
			if err != nil {
				return err
			}
			wanted, err := parseWants(wants)
			if err != nil {
				return err
			}
			t, err := usableRules(cmd, &flags, file, exitProblems)
			if err != nil {
				return err
			}
			d := explain.Request(t, request)
			if out == outputJSON {
				err = writeDecision(cmd, d)
			} else {
				err = explain.WriteText(stdout(cmd), d)
			}
			if err != nil {
				return fail(err)
			}
			return checkWants(cmd, t, d, wanted)
		},
	}
	addRulesFileFlag(cmd, &file)
	cmd.Flags().StringArrayVarP(&headers, "header", "H", nil, "header of the request, as `'NAME: VALUE'`; repeatable")
	cmd.Flags().StringArrayVar(&wants, "want", nil, "tag that must come out, as `NAME=VALUE`; an empty value means none; repeatable")
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check)
	return cmd
}

func parseHeaders(args []string) ([]explain.Header, error) {
	var headers []explain.Header
	for _, a := range args {
		name, value, ok := strings.Cut(a, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("header %q: expected 'NAME: VALUE'", a)
		}
		headers = append(headers, explain.Header{Name: name, Value: strings.Trim(value, " \t")})
	}
	return headers, nil
}

func parseWants(args []string) (map[string]string, error) {
	wants := map[string]string{}
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		name = strings.ToLower(name)
		if _, twice := wants[name]; !ok || name == "" || twice {
			return nil, fmt.Errorf("--want %q: expected NAME=VALUE, once for each name", a)
		}
		wants[name] = value
	}
	return wants, nil
}

// checkWants compares the tags of d with those wanted.
func checkWants(cmd *cobra.Command, t *rules.Table, d *tagprocv1.Decision, wants map[string]string) error {
	got := map[string]string{}
	for _, s := range d.Set {
		got[s.Name] = s.Value
	}
	var err error
	for _, name := range slices.Sorted(maps.Keys(wants)) {
		switch {
		case !t.Owned().Contains(name): // a misspelt header would never be there, as wanted
			stderr(cmd).Printf("%s is not a tag header of these rules\n", name)
			err = &failure{}
		case got[name] != wants[name]:
			stderr(cmd).Printf("%s is %q, want %q\n", name, got[name], wants[name])
			err = &failure{}
		}
	}
	return err
}

// writeDecision writes the JSON form of d.
func writeDecision(cmd *cobra.Command, d *tagprocv1.Decision) error {
	raw, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(d)
	if err != nil {
		return err
	}
	return stdout(cmd).JSON(json.RawMessage(raw))
}
