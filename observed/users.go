package observed

import "hash/maphash"

// MaxUsers is how many different users are remembered, to tell whether a row is the first
// of its user. They take at most 300 MB.
const MaxUsers = 4 << 20

// users remembers who had a row, and what the first one says.
type users struct {
	most int
	seed maphash.Seed
	rows map[uint64]firstRow // by the hash of the user's keys
}

// A firstRow is the first row of a user. Line is exact below 2^32; said is a hash, and two
// different rows have the same one once in 2^32.
type firstRow struct{ line, said uint32 }

// repetition is how a row relates to the rows before it.
type repetition uint8

const (
	isFirst repetition = iota
	isRepeated
	isContradicting
	isNotRemembered
)

func newUsers(most int) *users {
	return &users{most: most, seed: maphash.MakeSeed(), rows: map[uint64]firstRow{}}
}

// see notes the row in line, and returns what it is and the user's first line.
func (u *users) see(line int, keys [][]byte, tags []string) (r repetition, first int) {
	var h maphash.Hash
	h.SetSeed(u.seed)
	for _, k := range keys {
		h.Write(k)
		h.WriteByte(0) // no key has one
	}
	user := h.Sum64()
	for _, t := range tags {
		h.WriteString(t)
		h.WriteByte(0)
	}
	said := uint32(h.Sum64())
	row, known := u.rows[user]
	switch {
	case known && row.said == said:
		return isRepeated, int(row.line)
	case known:
		return isContradicting, int(row.line)
	case len(u.rows) >= u.most:
		return isNotRemembered, 0
	default:
		u.rows[user] = firstRow{line: uint32(line), said: said}
		return isFirst, line
	}
}
