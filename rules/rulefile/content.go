package rulefile

import "github.com/tagproc/tagproc/rules"

// Content returns what [Read] would load, as it stands in the file at path. Where
// it cannot be read the content is nil, and Problems are those of Read.
func Content(path string) ([]byte, rules.Problems) {
	s := look(path)
	if s.failure != "" {
		return nil, s.load(path, rules.Options{}).Problems
	}
	return s.src, nil
}
