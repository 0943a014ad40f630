package simulation

import (
	"math"
	"math/bits"

	"github.com/tagproc/tagproc/rules"
)

const (
	// setBits is the size of each set of a different, in bits.
	setBits = 1 << 24
	// sampled says of how many ids one is in the second set.
	sampled = 128
	// crowded is below how many unset bits the first set says too little: at about 80
	// million ids. Until then it is off by less than a tenth of a percent.
	crowded = setBits / 128
)

// A different tells how many different ids there are, in the same memory for any number:
// an id sets the bit of its hash, in a set of all ids and in one of every 128th. It is off by
// less than half a percent up to MaxPeople.
type different [2][]uint64

// MaxPeople is the most ids of a simulation, more than there are people. With more of them,
// those that come again could not be told from others.
const MaxPeople = 10_000_000_000

func newDifferent() different {
	return different{make([]uint64, setBits/64), make([]uint64, setBits/64)}
}

func (d *different) note(id []byte) {
	h := rules.XXH3.Bucket(id, "", 1<<31)
	set(d[0], h%setBits)
	if h>>24%sampled == 0 {
		set(d[1], h%setBits)
	}
}

func set(bits []uint64, bit uint32) { bits[bit/64] |= 1 << (bit % 64) }

func (d *different) add(o *different) {
	for i := range d {
		for j := range d[i] {
			d[i][j] |= o[i][j]
		}
	}
}

// count returns how many different ids were noted: the bits that are set, and those that
// were set more than once by chance.
func (d *different) count() int64 {
	unset := [2]int{setBits, setBits}
	for i := range d {
		for _, word := range d[i] {
			unset[i] -= bits.OnesCount64(word)
		}
	}
	if unset[0] >= crowded {
		return estimate(unset[0])
	}
	return sampled * estimate(unset[1])
}

// estimate returns how many ids leave so many bits of a set unset.
func estimate(unset int) int64 {
	return int64(math.Round(-setBits * math.Log(float64(max(unset, 1))/setBits)))
}
