package rules

import "slices"

// chunkSize is how many programs the Tables of a file share or copy together.
const chunkSize = 256

// programs are the rules of a Table, for Match, in chunks of chunkSize: a file may have
// thousands of rules and a thousand Tables, each of which differs from the one before in
// few of them.
type programs [][]*program

func newPrograms(all []*program) programs { return slices.Collect(slices.Chunk(all, chunkSize)) }

// at returns the program of the rule of an index.
func (ps programs) at(rule int) *program { return ps[rule/chunkSize][rule%chunkSize] }

// A change is a program that takes the place of a rule's earlier one.
type change struct {
	rule    int
	program *program
}

// with returns ps with changes. It shares the chunks that do not change.
func (ps programs) with(changes []change) programs {
	changed := slices.Clone(ps)
	for _, c := range changes {
		i := c.rule / chunkSize
		if &changed[i][0] == &ps[i][0] {
			changed[i] = slices.Clone(ps[i])
		}
		changed[i][c.rule%chunkSize] = c.program
	}
	return changed
}
