package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/fleet"
)

func newExplainCommand() *cobra.Command {
	var (
		flags   rulesFlags
		out     output
		file    string
		headers []string
		wants   []string
		at      string
		address string
	)
	cmd := &cobra.Command{
		Use:   "explain {--rules FILE | --addr ADDR} -H 'NAME: VALUE'...",
		Short: "Say why a request gets its tags",
		Long: `Say which tags a request with the given headers gets, and why: the hash, the
bucket, and the policy or named user that decided. The decision is made by the
code that serves requests. A tag that the client sends is shown as forged, with
what happens to it. docs/rules.md lists the fields of -o json.

With --addr the replica at that admin port answers, by its live rules.

For rules that match hosts, paths or the query, give :authority and :path. Rules
with ramps decide as of now, or as of --at.

The exit code is 0, 1 if the rules are refused or a tag is not that of --want, and
2 if the command is not understood.`,
		Example: `  tagproc explain --rules rules.yaml -H 'x-user-id: jack'
  tagproc explain --rules rules.yaml -H 'x-user-id: jack' -o json
  tagproc explain --rules rules.yaml -H 'x-user-id: jack' --want x-asm-prefer-tag=s2
  tagproc explain --rules rules.yaml -H 'x-user-id: vance' --want appver-a=   # not tagged
  tagproc explain --rules rules.yaml -H ':authority: shop.example.com' -H ':path: /x?uid=7' -H 'cookie: a=1; uid=jack'
  tagproc explain --rules rules.yaml -H 'x-user-id: jack' --at 2026-12-01T10:00:00Z
  tagproc explain --addr 127.0.0.1:9090 -H 'x-user-id: jack'                   # what does that replica decide?`,
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
			if address != "" {
				if at == "" {
					instant = time.Time{} // by the replica's clock
				}
				return explainLive(cmd, address, explain.Question{Headers: request, At: instant}, out, wanted)
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
			return writeDecision(cmd, explain.Request(t, request), out, wanted, t.Owned().Contains)
		},
	}
	addOptionalRulesFileFlag(cmd, &file, "rules `FILE`, or a manifest with rules")
	cmd.Flags().StringVar(&address, "addr", "", "admin port of a replica that answers in the place of --rules: `ADDR` as for status")
	cmd.Flags().StringArrayVarP(&headers, "header", "H", nil, "header of the request, as `'NAME: VALUE'`; repeatable")
	cmd.Flags().StringArrayVar(&wants, "want", nil, "expected tag, as `NAME=VALUE`; an empty value means none; repeatable")
	cmd.Flags().StringVar(&at, "at", "", "`INSTANT` to decide at where rules have ramps, such as 2026-12-01T10:00:00Z (default now)")
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check, func() error {
		switch {
		case file == "" && address == "":
			return errors.New("expected --rules FILE, or --addr ADDR of a replica")
		case file != "" && address != "":
			return errors.New("--rules and --addr: expected one of them: the rules of a file, or those of a replica")
		}
		return nil
	})
	return cmd
}

// explainLive has a replica explain.
func explainLive(cmd *cobra.Command, address string, q explain.Question, out output, wanted map[string]string) error {
	target, err := fleet.ParseTarget(address)
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	d, err := new(fleet.Client).Explain(cmd.Context(), target, q)
	if err != nil {
		return fail(err)
	}
	if len(q.Headers) == 0 && len(d.Rules) > 0 && !slices.ContainsFunc(d.Rules, hasVisitors) {
		k := d.Rules[0].Key
		return fmt.Errorf("expected the headers of a request: the key of rule %s is the %s %s; add -H 'NAME: VALUE'", d.Rules[0].Name, k.Source, k.Name)
	}
	return writeDecision(cmd, d, out, wanted, func(header string) bool {
		return slices.ContainsFunc(d.Rules, func(r explain.Rule) bool { return r.TagHeader == header })
	})
}

// hasVisitors reports whether a rule decides for people without an id.
func hasVisitors(r explain.Rule) bool {
	return slices.ContainsFunc(append(r.Keys, r.Key), func(k explain.Key) bool { return k.Source == "visitor" })
}

// writeDecision writes d and compares its tags with those wanted. isTag reports whether a
// header is a tag header of the rules.
func writeDecision(cmd *cobra.Command, d *explain.Decision, out output, wanted map[string]string, isTag func(header string) bool) (err error) {
	if out == outputJSON {
		err = stdout(cmd).JSON(d)
	} else {
		err = explain.WriteText(stdout(cmd), d)
	}
	if err != nil {
		return fail(err)
	}
	return checkWants(cmd, d, wanted, isTag)
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

// parseInstant returns the instant of --at, which is now if the flag is empty.
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
func checkWants(cmd *cobra.Command, d *explain.Decision, wants map[string]string, isTag func(header string) bool) error {
	got := map[string]string{}
	for _, s := range d.Set {
		got[s.Name] = s.Value
	}
	var err error
	for _, name := range slices.Sorted(maps.Keys(wants)) {
		switch {
		case !isTag(name): // a misspelt name with an empty value would always pass
			stderr(cmd).Printf("%s is not a tag header of these rules\n", name)
			err = &failure{}
		case got[name] != wants[name]:
			stderr(cmd).Printf("%s is %q, want %q\n", name, got[name], wants[name])
			err = &failure{}
		}
	}
	return err
}
