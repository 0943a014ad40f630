package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/mesh"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// input are the flags of every command, and what they read.
type input struct {
	namespace string
	headers   []string
	prefixes  []string
	json      bool
}

func (in *input) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&in.namespace, "namespace", "n", "default", "`NAMESPACE` of objects that say none")
	cmd.Flags().StringSliceVar(&in.headers, "tag-header", nil, "tag header that tagproc owns, for rules without tagHeaders; repeatable")
	cmd.Flags().StringSliceVar(&in.prefixes, "tag-header-prefix", nil, "prefix of tag headers that tagproc owns, for rules without tagHeaders; repeatable")
	cmd.Flags().VarP((*format)(&in.json), "output", "o", "output format")
}

// format is the flag -o.
type format bool

func (f *format) String() string { return map[bool]string{false: "text", true: "json"}[bool(*f)] }

func (f *format) Set(s string) error {
	if s != "text" && s != "json" {
		return errors.New("expected text or json")
	}
	*f = s == "json"
	return nil
}

func (f *format) Type() string { return "text|json" }

func (in *input) options() mesh.Options {
	return mesh.Options{Namespace: in.namespace, Rules: rules.Options{TagHeaders: rules.Owned{Headers: in.headers, Prefixes: in.prefixes}}}
}

// manifestExtensions are the extensions of files that are read in directories.
var manifestExtensions = []string{".yaml", ".yml", ".json"}

// read returns the contents of files, of directories and of standard input.
func read(cmd *cobra.Command, args []string) (files []mesh.File, err error) {
	var errs []error
	add := func(name string, swept bool) {
		src, err := readOne(cmd, name)
		switch {
		case err != nil:
			errs = append(errs, err)
		case len(strings.TrimSpace(string(src))) == 0 && !swept:
			errs = append(errs, fmt.Errorf("%s: is empty; did the command that writes it fail?", name))
		default:
			files = append(files, mesh.File{Name: name, Source: src, Swept: swept})
		}
	}
	for _, arg := range args {
		if info, err := os.Stat(arg); arg == "-" || err != nil || !info.IsDir() {
			add(arg, false)
			continue
		}
		before := len(files)
		errs = append(errs, filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && slices.Contains(manifestExtensions, strings.ToLower(filepath.Ext(path))) {
				add(path, true)
			}
			return err
		}))
		if len(files) == before {
			errs = append(errs, fmt.Errorf("%s: directory has no *.yaml, *.yml or *.json file", arg))
		}
	}
	return files, errors.Join(errs...)
}

// readOne returns the content of a file, up to one byte more than the parser takes.
func readOne(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(cmd.InOrStdin(), source.MaxFileSize+1))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, source.MaxFileSize+1))
}

// needFiles is the check of arguments of every command.
func needFiles(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return &usageError{errors.New("expected files or directories with manifests, or - for standard input")}
	}
	return nil
}
