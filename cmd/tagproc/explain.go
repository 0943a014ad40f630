package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/rules"
)

func newExplainCommand() *cobra.Command {
	var (
		flags   rulesFlags
		out     output
		file    string
		headers []string
		wants   []string
		at      string
	)
	cmd := &cobra.Command{
		Use:   "explain --rules FILE -H 'NAME: VALUE'...",
		Short: "Say why a request gets its tags",
		Long: `Say which tags a request with the given headers gets, and why: the hash, the
bucket, and the policy or named user that decided. The decision is made by the
code that serves requests. A tag that the client sends is shown as forged, with
what happens to it. docs/rules.md lists the fields of -o json.

For rules that match hosts, paths or the query, give :authority and :path. Rules
with ramps decide as of now, or as of --at.

The exit code is 0, 1 if the rules are refused or a tag is not that of --want, and
2 if the command is not understood.`,
		Example: `  tagproc explain --rules rules.yaml -H 'x-user-id: jack'
  tagproc explain --rules rules.yaml -H 'x-user-id: jack' -o json
  tagproc explain --rules rules.yaml -H 'x-user-id: jack' --want x-asm-prefer-tag=s2
  tagproc explain --rules rules.yaml -H 'x-user-id: vance' --want appver-a=   # not tagged
  tagproc explain --rules rules.yaml -H ':authority: shop.example.com' -H ':path: /x?uid=7' -H 'cookie: a=1; uid=jack'
  tagproc explain --rules rules.yaml -H 'x-user-id: jack' --at 2026-12-01T10:00:00Z`,
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
			instant, err := parseInstant(at)
			if err != nil {
				return err
			}
			t, err := usableRules(cmd, &flags, file, exitProblems)
			if err != nil {
				return err
			}
			t, _ = t.At(instant)
			if len(request) == 0 && len(t.Keys()) > 0 && len(t.Visitors()) == 0 {
				return fmt.Errorf("expected the headers of a request: these rules read %s; add -H '%s: VALUE'", strings.Join(t.Inputs(), ", "), t.Keys()[0].Header())
			}
			for _, hint := range explain.Hints(t, request) {
				stderr(cmd).Printf("warning: %s\n", hint)
			}
			d := explain.Request(t, request)
			if out == outputJSON {
				err = stdout(cmd).JSON(d)
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
	cmd.Flags().StringArrayVar(&wants, "want", nil, "expected tag, as `NAME=VALUE`; an empty value means none; repeatable")
	cmd.Flags().StringVar(&at, "at", "", "`INSTANT` to decide at where rules have ramps, such as 2026-12-01T10:00:00Z (default now)")
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check)
	return cmd
}

func parseHeaders(args []string) ([]explain.Header, error) {
	var headers []explain.Header
	for _, a := range args {
		bare, pseudo := strings.CutPrefix(a, ":") // whose name begins with a colon
		name, value, ok := strings.Cut(bare, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("header %q: expected 'NAME: VALUE'", a)
		}
		if pseudo {
			name = ":" + name
		}
		headers = append(headers, explain.Header{Name: name, Value: strings.Trim(value, " \t")})
	}
	return headers, nil
}

// parseInstant returns the instant of --at, or now if the flag is empty.
func parseInstant(at string) (t time.Time, err error) {
	if at == "" {
		return time.Now(), nil
	}
	if err := t.UnmarshalText([]byte(at)); err != nil {
		return t, fmt.Errorf("--at %q: expected an instant with its offset, such as 2026-12-01T10:00:00Z", at)
	}
	return t, nil
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
func checkWants(cmd *cobra.Command, t *rules.Table, d *explain.Decision, wants map[string]string) error {
	got := map[string]string{}
	for _, s := range d.Set {
		got[s.Name] = s.Value
	}
	var err error
	for _, name := range slices.Sorted(maps.Keys(wants)) {
		switch {
		case !t.Owned().Contains(name): // a misspelt name with an empty value would always pass
			stderr(cmd).Printf("%s is not a tag header of these rules\n", name)
			err = &failure{}
		case got[name] != wants[name]:
			stderr(cmd).Printf("%s is %q, want %q\n", name, got[name], wants[name])
			err = &failure{}
		}
	}
	return err
}
