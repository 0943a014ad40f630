package rulefile

import (
	"github.com/tagproc/tagproc/rules"

	"github.com/tagproc/tagproc/source"
)

// A Load is the result of loading one state of a rules file.
type Load struct {
	Table    *rules.Table    // nil: the file is refused or could not be read
	Problems source.Problems // holds an Error if Table is nil, else only warnings

	// Source and Options are what Table was made of.
	Source  []byte
	Options rules.Options

	version version
}

// Read loads the file at path once. A file that cannot be read is a Problem of
// the kind [source.KindUnreadable]. Only regular files are read, after following
// symbolic links, and at most one byte more than a rules file may have.
func Read(path string, o rules.Options) Load {
	return look(path).load(path, o)
}

// load compiles a snapshot. It depends only on its arguments: the same version always
// loads the same way.
func (s snapshot) load(path string, o rules.Options) Load {
	l := Load{Source: s.src, Options: o, version: s.version}
	if s.failure != "" {
		l.Problems = source.Problems{{
			File:     path,
			Severity: source.Error,
			Kind:     source.KindUnreadable,
			Message:  s.failure,
		}}
		return l
	}
	l.Table, l.Problems = rules.Load(path, s.src, o)
	return l
}
