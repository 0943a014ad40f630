package lua

import (
	"strings"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// WithoutTags returns a program that removes the headers of o in every spelling, and then
// does what program does. It is for where no other filter can remove them.
func WithoutTags(program string, o rules.Owned) (string, error) { return removal(program, o, false) }

// WithoutMisspelled returns a program that removes the headers of o in other spellings
// than their own, and then does what program does.
func WithoutMisspelled(program string, o rules.Owned) (string, error) {
	return removal(program, o, true)
}

func removal(program string, o rules.Owned, misspelled bool) (string, error) {
	type name struct{ Name, Normal string }
	names := func(all []string) (list []name) {
		for _, n := range all {
			list = append(list, name{n, normal(n)})
		}
		return list
	}
	return execute("removal.lua.tmpl", struct {
		Headers, Prefixes []name
		Misspelled        bool
		Program           string
	}{names(o.Headers), names(o.Prefixes), misspelled, strings.TrimSpace(program)})
}

// normal returns name with - for each of its separators.
func normal(name string) string {
	return strings.Map(func(c rune) rune {
		if contract.IsSeparator(c) {
			return '-'
		}
		return c
	}, name)
}
