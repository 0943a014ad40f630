package main

import (
	"context"
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/source"
)

// read returns the content of a file, up to one byte more than limit: the parser
// refuses a text that long. "-" is standard input. A file is anything that can be read
// to its end, also a pipe, /dev/stdin or a shell's <(…).
func read(cmd *cobra.Command, name string, limit int64) ([]byte, *source.Problem) {
	type content struct {
		src    []byte
		stream bool
		err    error
	}
	done := make(chan content, 1)
	go func() { // nobody may ever write to a pipe
		src, stream, err := readAll(cmd, name, limit)
		done <- content{src, stream, err}
	}()
	var c content
	select {
	case c = <-done:
	case <-cmd.Context().Done():
		c.err = context.Cause(cmd.Context())
	}
	switch {
	case c.err != nil:
		return nil, unreadable(name, c.err)
	case len(c.src) == 0 && c.stream:
		return nil, &source.Problem{File: name, Kind: source.KindEmpty, Message: "nothing came through the pipe; did the command that writes it fail?"}
	}
	return c.src, nil
}

// readAll reads a file up to one byte more than limit, and reports whether it is a stream.
func readAll(cmd *cobra.Command, name string, limit int64) (src []byte, stream bool, err error) {
	in, err := openFile(cmd, name)
	if err != nil {
		return nil, false, err
	}
	defer in.Close()
	src, err = io.ReadAll(io.LimitReader(in, limit+1))
	return src, isStream(in), err
}

// openFile opens a file to be read once. It refuses directories.
func openFile(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// isStream reports whether a file is a pipe or the like, or standard input.
func isStream(in io.Reader) bool { return size(in) < 0 }

// size returns the size of a regular file in bytes, and -1 for all others.
func size(in io.Reader) int64 {
	f, ok := in.(*os.File)
	if !ok {
		return -1
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	return info.Size()
}

// unreadable returns a problem that says why a file cannot be read, and what to do.
func unreadable(name string, err error) *source.Problem {
	return &source.Problem{File: name, Kind: source.KindUnreadable, Message: rulefile.Unreadable(name, err)}
}

// loadRules reads a rules file and returns its table and what is wrong with it. The
// table is nil exactly if the file cannot be used.
func loadRules(cmd *cobra.Command, flags *rulesFlags, name string) (*rules.Table, source.Problems) {
	text, wrong := flags.read(cmd, name)
	if wrong != nil {
		return nil, source.Problems{*wrong}
	}
	return rules.Load(text.name, text.bytes, flags.options())
}

// usableRules is loadRules for a command that needs a table: it writes errors and
// warnings to standard error, and leaves notes to validate. Without a table it
// returns a failure with the exit code.
func usableRules(cmd *cobra.Command, flags *rulesFlags, name string, code int) (*rules.Table, error) {
	t, problems := loadRules(cmd, flags, name)
	writeProblems(stderr(cmd), problems.Without(source.Note))
	if t == nil {
		return nil, &failure{code: code}
	}
	return t, nil
}

// readDocuments reads manifests from files. It returns the documents that can be read
// beside the problems of those that cannot.
func readDocuments(cmd *cobra.Command, files []string) (docs []*source.Document, problems source.Problems) {
	for _, file := range files {
		src, wrong := read(cmd, file, source.MaxFileSize)
		if wrong != nil {
			problems = append(problems, *wrong)
			continue
		}
		read, more := source.Read(file, src)
		docs, problems = append(docs, read...), append(problems, more...)
	}
	return docs, problems
}
