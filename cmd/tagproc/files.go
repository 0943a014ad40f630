package main

import (
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/rules/rulefile"
	"github.com/tagproc/tagproc/source"
)

// read returns what is in a file, up to one byte more than limit, which is for the
// reader of its text to refuse. "-" is standard input. A file is anything that can be
// read to its end: a pipe, /dev/stdin or what a shell makes of <(…) too.
func read(cmd *cobra.Command, name string, limit int64) ([]byte, *source.Problem) {
	in, err := openFile(cmd, name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer in.Close()
	src, err := io.ReadAll(io.LimitReader(in, limit+1))
	switch {
	case err != nil:
		return nil, unreadable(name, err)
	case len(src) == 0 && isStream(in):
		return nil, &source.Problem{File: name, Kind: source.KindEmpty, Message: "nothing came through the pipe; did the command that writes it fail?"}
	}
	return src, nil
}

// openFile opens a file to be read once. Directories are no files.
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

// unreadable says why a file cannot be read, and what to do.
func unreadable(name string, err error) *source.Problem {
	return &source.Problem{File: name, Kind: source.KindUnreadable, Message: rulefile.Unreadable(name, err)}
}

// loadRules reads a rules file, and says what is wrong with it. There is no table
// exactly if it cannot be used.
func loadRules(cmd *cobra.Command, flags *rulesFlags, name string) (*rules.Table, source.Problems) {
	src, wrong := read(cmd, name, rules.MaxFileSize)
	if wrong != nil {
		return nil, source.Problems{*wrong}
	}
	return rules.Load(name, src, flags.options())
}

// usableRules is loadRules for a command that needs a table: it writes errors and
// warnings on standard error, and leaves notes to validate. Without a table it
// returns a failure with the exit code.
func usableRules(cmd *cobra.Command, flags *rulesFlags, name string, code int) (*rules.Table, error) {
	t, problems := loadRules(cmd, flags, name)
	writeProblems(stderr(cmd), problems.Without(source.Note))
	if t == nil {
		return nil, &failure{code: code}
	}
	return t, nil
}

// readDocuments reads manifests from files. Documents that can be read come also
// where there are problems.
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
