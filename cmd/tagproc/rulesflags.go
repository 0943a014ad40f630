package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
)

// rulesFlags are the flags of every command that reads rules files.
type rulesFlags struct {
	headers  []string
	prefixes []string
}

func (f *rulesFlags) addTo(cmd *cobra.Command) {
	cmd.PreRunE = func(*cobra.Command, []string) error { return f.check() }
	cmd.Flags().StringSliceVar(&f.headers, "tag-header", nil,
		"tag header that may ever be written, for files without tagHeaders; repeatable (default: those of the rules)")
	cmd.Flags().StringSliceVar(&f.prefixes, "tag-header-prefix", nil,
		"beginning of the names of such tag headers; repeatable")
}

// check returns an error of usage if the flags name what cannot be a tag header.
func (f *rulesFlags) check() error {
	_, problems := rules.Load("", []byte("rules: []"), f.options())
	for _, p := range problems {
		return fmt.Errorf("--tag-header, --tag-header-prefix: %s", p.Message)
	}
	return nil
}

func (f *rulesFlags) options() rules.Options {
	return rules.Options{TagHeaders: rules.Owned{Headers: f.headers, Prefixes: f.prefixes}}
}

// addRulesFileFlag adds the required flag --rules.
func addRulesFileFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "rules", "", "rules file, or a WasmPlugin manifest (required)")
	if err := cmd.MarkFlagRequired("rules"); err != nil {
		panic(err) // the flag has just been added
	}
}

// load reads a rules file; "-" is standard input.
func (f *rulesFlags) load(path string, stdin io.Reader) rulefile.Load {
	if path != "-" {
		return rulefile.Read(path, f.options())
	}
	src, problems := content(path, stdin)
	if problems != nil {
		return rulefile.Load{Problems: problems}
	}
	table, problems := rules.Load(path, src, f.options())
	return rulefile.Load{Table: table, Problems: problems}
}

// content returns what stands in a rules file; "-" is standard input. There are
// problems exactly if it could not be read.
func content(path string, stdin io.Reader) ([]byte, rules.Problems) {
	if path != "-" {
		return rulefile.Content(path)
	}
	src, err := io.ReadAll(io.LimitReader(stdin, rules.MaxFileSize+1))
	if err != nil {
		return nil, rules.Problems{{File: path, Kind: rules.KindUnreadable, Message: fmt.Sprintf("cannot be read: %v", err)}}
	}
	if len(src) == 0 {
		return nil, rules.Problems{{
			File: path, Kind: rules.KindEmpty,
			Message: "nothing came on standard input; did the command before the pipe fail?",
		}}
	}
	return src, nil
}
