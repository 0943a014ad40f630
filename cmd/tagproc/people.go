package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// idsFlags are the flags of commands that read a file of ids.
type idsFlags struct{ file, column string }

func (f *idsFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "ids", "", "ids of users: a `FILE` with an id on each line, or CSV; either may be compressed with gzip")
	cmd.Flags().StringVar(&f.column, "column", "", "column of a CSV file that has the ids, by its `NAME` (default: the name of a key, or id)")
}

// check returns a usage error.
func (f *idsFlags) check() error {
	if f.column != "" && f.file == "" {
		return fmt.Errorf("--column %s: expected --ids FILE beside it", f.column)
	}
	return nil
}

// An idsFile is an open file of ids.
type idsFile struct {
	*people.Reader

	cmd  *cobra.Command
	name string
	file io.ReadCloser
	progress
}

// open opens the file for the users of rules with keys.
func (f *idsFlags) open(cmd *cobra.Command, keys []rules.Key) (*idsFile, error) {
	in, err := openFile(cmd, f.file)
	if err != nil {
		writeProblems(stderr(cmd), source.Problems{*unreadable(f.file, err)})
		return nil, &failure{code: exitUnable}
	}
	o := people.Options{Column: f.column}
	for _, k := range keys {
		o.Names = append(o.Names, k.Name)
	}
	r, err := people.Open(untilEnd{cmd.Context(), in}, o)
	if ce, ok := errors.AsType[*people.ColumnError](err); ok {
		in.Close()
		return nil, fmt.Errorf("%s:1: %w; name the column with --column NAME", f.file, ce)
	}
	if err != nil {
		in.Close()
		return nil, unusablePeople(cmd, f.file, err)
	}
	return &idsFile{Reader: r, cmd: cmd, name: f.file, file: in, progress: progress{terminal: stderr(cmd), size: size(in)}}, nil
}

// untilEnd reads until the command is told to end: a file may have no id to stop at.
type untilEnd struct {
	ctx context.Context //nolint:containedctx // an io.Reader has no other place
	r   io.Reader
}

func (u untilEnd) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// show shows how much of the file is read, on a terminal, to its end.
func (f *idsFile) show(n int64) {
	if f.terminal.IsTerminal() {
		f.progress.show(n, f.BytesRead())
	}
}

// close ends the use of the file. It returns what ends the command: err, and what is wrong
// with the file.
func (f *idsFile) close(err error) error {
	f.clear()
	f.file.Close()
	return unusablePeople(f.cmd, f.name, err)
}

// unusablePeople writes what is wrong with a file of users, and returns what ends the
// command.
func unusablePeople(cmd *cobra.Command, file string, err error) error {
	e, ok := errors.AsType[*people.FileError](err)
	if !ok && err != nil {
		return &failure{err: fmt.Errorf("%s: %w", file, err), code: exitUnable}
	}
	if !ok {
		return nil
	}
	t := stderr(cmd)
	for _, p := range e.Problems {
		t.Printf("%s: %s\n", source.Problem{File: file, Line: p.Line, Col: p.Col}.Place(), p.Message)
	}
	if len(e.Problems) == people.MaxProblems {
		t.Printf("%s: the file is read up to here; there may be more problems\n", file)
	}
	return &failure{code: exitUnable}
}
