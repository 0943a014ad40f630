package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// readDocuments reads manifests from files; "-" is standard input. Documents that
// can be read come also where there are problems.
func readDocuments(files []string, stdin io.Reader) (docs []*manifest.Document, problems rules.Problems) {
	for _, file := range files {
		src, wrong := readManifest(file, stdin)
		if wrong != nil {
			problems = append(problems, *wrong)
			continue
		}
		read, more := manifest.Read(file, src)
		docs, problems = append(docs, read...), append(problems, more...)
	}
	return docs, problems
}

// readManifest returns what stands in a file, up to one byte more than is taken, or
// why it cannot be read; "-" is standard input.
func readManifest(name string, stdin io.Reader) ([]byte, *rules.Problem) {
	src, err := readUpTo(name, stdin, manifest.MaxFileSize+1)
	if err != nil {
		p := unreadableFile(name, err)
		return nil, &p
	}
	if name == "-" && len(src) == 0 {
		return nil, &rules.Problem{File: name, Kind: rules.KindEmpty, Message: "nothing came on standard input; did the command before the pipe fail?"}
	}
	return src, nil
}

func readUpTo(name string, stdin io.Reader, limit int64) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, limit))
}

func unreadableFile(name string, err error) rules.Problem {
	p := rules.Problem{File: name, Kind: rules.KindUnreadable, Message: fmt.Sprintf("cannot be read: %v", err)}
	if errors.Is(err, fs.ErrNotExist) {
		p.Message = "does not exist: create it or correct the path"
	}
	return p
}
