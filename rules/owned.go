package rules

import (
	"errors"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/contract"
)

// Owned are the tag headers that a deployment may ever write. Envoy's side
// (early stripping, forward_rules, mutation_rules) is made from them and from
// the keys, so that an edit of the rules needs no change of Envoy.
type Owned struct {
	Headers  []string // exact names, in lower case, sorted
	Prefixes []string // beginnings of names, in lower case, sorted
}

// Contains reports whether name, in lower case, is one of the headers.
func (o Owned) Contains(name string) bool {
	_, exact := slices.BinarySearch(o.Headers, name)
	return exact || slices.ContainsFunc(o.Prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Folds reports whether name, in lower case, is another spelling of one of the headers:
// another separator stands in the place of one (see [contract.IsSeparator]). No
// pseudo-header is a spelling. Folds allocates nothing.
func (o Owned) Folds(name []byte) (folds bool) {
	if len(name) > 0 && name[0] == ':' {
		return false
	}
	for _, h := range o.Headers {
		if len(name) == len(h) && spells(name, h) {
			if string(name) == h {
				return false
			}
			folds = true
		}
	}
	for _, p := range o.Prefixes {
		if spells(name, p) {
			if string(name[:len(p)]) == p {
				return false
			}
			folds = true
		}
	}
	return folds
}

// spells reports whether name, in lower case, begins with a spelling of prefix.
func spells[T string | []byte](name T, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if c := prefix[i]; name[i] != c && (!contract.IsSeparator(c) || !contract.IsSeparator(name[i])) {
			return false
		}
	}
	return true
}

// IsZero reports whether nothing is declared.
func (o Owned) IsZero() bool { return len(o.Headers)+len(o.Prefixes) == 0 }

// And returns the headers that are in both.
func (o Owned) And(p Owned) (both Owned) {
	for _, pair := range [][2]Owned{{o, p}, {p, o}} {
		for _, name := range pair[0].Headers {
			if pair[1].Contains(name) {
				both.Headers = append(both.Headers, name)
			}
		}
		for _, longer := range pair[0].Prefixes {
			if slices.ContainsFunc(pair[1].Prefixes, func(p string) bool { return strings.HasPrefix(longer, p) }) {
				both.Prefixes = append(both.Prefixes, longer)
			}
		}
	}
	slices.Sort(both.Headers)
	slices.Sort(both.Prefixes)
	both.Headers, both.Prefixes = slices.Compact(both.Headers), slices.Compact(both.Prefixes)
	return both
}

// NewOwned returns what headers, exact names, and prefixes, beginnings of names, declare
// as tag headers, both in any case. The error has a line for each one that cannot be a
// tag header.
func NewOwned(headers, prefixes []string) (Owned, error) {
	c := compiler{file: &File{}}
	o := c.ownedOf(flagValues(headers), flagValues(prefixes))
	var errs []error
	for _, p := range c.file.report.Problems() {
		errs = append(errs, errors.New(p.Message))
	}
	if err := errors.Join(errs...); err != nil {
		return Owned{}, err
	}
	return *o, nil
}

// CheckTravels returns an error if a name of o cannot be that of a member of the header
// baggage, with which it would travel.
func (o Owned) CheckTravels() error {
	for _, name := range slices.Concat(o.Headers, o.Prefixes) {
		if wrong := checkTravels(name); wrong != "" {
			return errors.New(wrong)
		}
	}
	return nil
}

// String returns the names, and the beginnings of names with a star behind them.
func (o Owned) String() string {
	names := slices.Clone(o.Headers)
	for _, p := range o.Prefixes {
		names = append(names, p+"*")
	}
	return strings.Join(names, ", ")
}
