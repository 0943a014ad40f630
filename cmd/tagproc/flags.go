package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tagproc/tagproc/rules"
)

// check makes a command check its flags before it runs, and report all wrong ones at
// once. A command calls it once, with the checks of shared flags and of its own.
func check(cmd *cobra.Command, checks ...func() error) {
	if cmd.PreRunE != nil {
		panic(cmd.Name() + ": check is called twice")
	}
	cmd.PreRunE = func(*cobra.Command, []string) error {
		var errs []error
		for _, c := range checks {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
}

// rulesFlags are the flags of every command that reads rules files.
type rulesFlags struct {
	headers    []string
	prefixes   []string
	kubeconfig string
}

func (f *rulesFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.headers, "tag-header", nil,
		"tag header that tagproc owns, for files without tagHeaders; repeatable (default: those of the rules)")
	cmd.Flags().StringSliceVar(&f.prefixes, "tag-header-prefix", nil,
		"prefix of tag headers that tagproc owns, for files without tagHeaders; repeatable")
	cmd.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "`FILE` that says how the API server of a configmap:// is reached (default: the account of the pod, or KUBECONFIG)")
}

// check returns a usage error if the flags name what cannot be a tag header.
func (f *rulesFlags) check() error {
	if _, err := rules.NewOwned(f.headers, f.prefixes); err != nil {
		return fmt.Errorf("--tag-header, --tag-header-prefix: %w", err)
	}
	return nil
}

func (f *rulesFlags) options() rules.Options {
	return rules.Options{TagHeaders: rules.Owned{Headers: f.headers, Prefixes: f.prefixes}}
}

// addRulesFileFlag adds the required flag --rules.
func addRulesFileFlag(cmd *cobra.Command, path *string) {
	addOptionalRulesFileFlag(cmd, path, "rules `FILE`, or a manifest with rules (required)")
	must(cmd.MarkFlagRequired("rules"))
}

// addOptionalRulesFileFlag adds the flag --rules to a command that can do without.
func addOptionalRulesFileFlag(cmd *cobra.Command, path *string, usage string) {
	cmd.Flags().StringVar(path, "rules", "", usage)
	must(cmd.MarkFlagFilename("rules", manifestExtensions...))
}

// isManifestName reports whether a file may be meant that has rules or manifests.
func isManifestName(name string) bool {
	return strings.Contains(name, "/") || slices.Contains(manifestExtensions, strings.TrimPrefix(filepath.Ext(name), "."))
}

// manifestExtensions are the extensions of rules files and manifests.
var manifestExtensions = []string{"yaml", "yml", "json"}

// must panics on the error of a call that fails only if the program is wrong, such as
// one about a flag that has just been added.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// completeWith makes a shell complete a flag with values.
func completeWith(cmd *cobra.Command, flag string, values ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// completeManifests makes a shell complete the arguments of a command with the names
// of manifests, and of directories on the way to them.
func completeManifests(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return manifestExtensions, cobra.ShellCompDirectiveFilterFileExt
}

// completeNothing keeps shells from offering files for the flags and arguments of
// cmd, and of the commands below it, that are neither files nor words of a list.
func completeNothing(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		_, known := cmd.GetFlagCompletionFunc(f.Name)
		placeholder, _ := pflag.UnquoteUsage(f)
		if !known && len(f.Annotations[cobra.BashCompFilenameExt])+len(f.Annotations[cobra.BashCompSubdirsInDir]) == 0 && placeholder != "FILE" {
			completeWith(cmd, f.Name)
		}
	})
	if cmd.ValidArgsFunction == nil && !cmd.HasSubCommands() {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, c := range cmd.Commands() {
		completeNothing(c)
	}
}

// flagError adds to the error of a flag that cmd does not have what may be meant.
func flagError(cmd *cobra.Command, err error) error {
	if invalid, is := errors.AsType[*pflag.InvalidValueError](err); is && invalid.GetFlag().Value.Type() == "duration" {
		return fmt.Errorf("--%s %s: expected a duration with its unit, such as 5s or 1m30s", invalid.GetFlag().Name, invalid.GetValue())
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	name := unknown.GetSpecifiedName()
	if name == "o" && cmd.Flags().Lookup("output-dir") != nil {
		return fmt.Errorf("%w: -o is the output format, and that of %s is YAML; --output-dir DIR writes a file for each object into a directory", err, cmd.Name())
	}
	if unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	if name == "rules" && strings.Contains(cmd.Use, "FILE...") {
		return fmt.Errorf("%w: %s takes rules as one of its FILEs; leave --rules out, and name them", err, cmd.Name())
	}
	if name == "rules" && strings.Contains(cmd.Use, " RULES") {
		return fmt.Errorf("%w: leave it out, and name the file: %s", err, cmd.Use)
	}
	var near string
	least := 3 // letters that differ: more are another word
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := levenshtein.ComputeDistance(name, f.Name); d < least && d < len(f.Name) {
			near, least = f.Name, d
		}
	})
	if near == "" {
		return err
	}
	return fmt.Errorf("%w; did you mean --%s?", err, near)
}

// noArgs refuses arguments, and says which flag takes a file.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if cmd.Flags().Lookup("rules") != nil {
		switch {
		case isManifestName(args[0]) && cmd.Flags().Lookup("envoy") != nil:
			hint = fmt.Sprintf("; did you mean --envoy %s?", args[0])
		case isManifestName(args[0]) || cmd.Flags().Lookup("header") == nil:
			hint = fmt.Sprintf("; did you mean --rules %s?", args[0])
		default:
			hint = fmt.Sprintf("; a header of the request is -H 'NAME: %s'", args[0])
		}
	}
	return fmt.Errorf("%s takes no arguments, got %q%s", cmd.Name(), args[0], hint)
}

// subcommandOnly refuses an argument of a command that only groups subcommands, and
// says which subcommand may be meant.
func subcommandOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := ""
	near := below(cmd, args[0])
	if len(near) == 0 {
		near = cmd.SuggestionsFor(args[0])
	}
	if len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
}

// below returns the commands of a name that stand below those of cmd.
func below(cmd *cobra.Command, name string) (paths []string) {
	for _, group := range cmd.Commands() {
		for _, c := range group.Commands() {
			if c.Name() == name && !c.Hidden {
				paths = append(paths, c.CommandPath())
			}
		}
	}
	return paths
}

// help is what a command does that only groups subcommands.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }
