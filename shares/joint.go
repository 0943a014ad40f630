package shares

import (
	"cmp"
	"slices"

	"github.com/tagproc/tagproc/rules"
)

// A pair is the tag of a user before and after; "": no tag.
type pair struct{ from, to string }

// counts are how many of a number of equally likely cases have which tags.
type counts struct {
	of    uint64
	cases map[pair]uint64
}

// joint counts the pairs of buckets that one hash has in two rulers: those that have the
// same residue modulo the greatest common divisor g of the modulos. There are
// a*b/g of them, which 10^12 bounds. It returns false where that takes too long.
func joint(a, b []Piece) (c counts, ok bool) {
	g := gcd(total(a), total(b))
	c = counts{of: total(a) / g * total(b), cases: map[pair]uint64{}}
	edges := append(residues(a, g, 0), residues(b, g, 1)...)
	slices.SortFunc(edges, func(x, y edge) int { return cmp.Compare(x.at, y.at) })
	here := [2]map[string]uint64{{}, {}} // how many buckets of a tag have the residue
	at, work := uint64(0), 0
	for i := 0; i < len(edges); {
		if width := edges[i].at - at; width > 0 {
			if work += len(here[0]) * len(here[1]); work > maxPairs {
				return c, false
			}
			for from, n := range here[0] {
				for to, m := range here[1] {
					c.cases[pair{from, to}] += width * n * m
				}
			}
			at = edges[i].at
		}
		for ; i < len(edges) && edges[i].at == at; i++ {
			e := edges[i]
			if here[e.side][e.tag] += e.delta; here[e.side][e.tag] == 0 {
				delete(here[e.side], e.tag)
			}
		}
	}
	return c, true
}

// maxPairs bounds the work of counting pairs of tags: some tenths of a second.
const maxPairs = 2_000_000

// An edge is where the number of buckets of a tag that have a residue changes.
type edge struct {
	at    uint64
	side  int
	tag   string
	delta uint64 // modulo 2^64: a decrease is the complement
}

// residues returns the edges of a ruler over the residues 0 to g-1, the last of them at g.
func residues(ruler []Piece, g uint64, side int) (edges []edge) {
	add := func(from, to uint64, tag string, n uint64) {
		if from < to && n > 0 {
			edges = append(edges, edge{from, side, tag, n}, edge{to, side, tag, -n})
		}
	}
	for _, p := range ruler {
		from, length := uint64(p.From), uint64(p.To-p.From)
		add(0, g, p.Tag, length/g)
		start, end := from%g, from%g+length%g
		add(start, min(end, g), p.Tag, 1)
		add(0, end-min(end, g), p.Tag, 1)
	}
	return edges
}

// product counts the pairs of buckets where the one says nothing about the other. It
// returns false where that takes too long.
func product(a, b []Piece) (c counts, ok bool) {
	c = counts{of: total(a) * total(b), cases: map[pair]uint64{}}
	before, after := distribution(a), distribution(b)
	if len(before)*len(after) > maxPairs {
		return c, false
	}
	for from, n := range before {
		for to, m := range after {
			c.cases[pair{from, to}] += n * m
		}
	}
	return c, true
}

// hashes is how many values fnv1a32 has.
const hashes = 1 << 32

// maxBlocks bounds the work of counting hashes: some tenths of a second.
const maxBlocks = 20_000_000

// overHashes counts all values of a hash that has n of them. in are the counts of [joint]: each
// whole period of hashes has them, and the rest is counted by walking over it. It returns
// false where that takes too long.
func overHashes(n uint64, in counts, a, b []Piece) (counts, bool) {
	periods, rest := n/in.of, n%in.of
	if rest/total(a)*uint64(len(a))+rest/total(b)*uint64(len(b)) > maxBlocks {
		return counts{}, false
	}
	c := counts{of: n, cases: map[pair]uint64{}}
	for p, cases := range in.cases {
		if periods > 0 {
			c.cases[p] = cases * periods
		}
	}
	x, y := walk{ruler: a}, walk{ruler: b}
	for at := uint64(0); at < rest; {
		end := min(x.end(), y.end(), rest)
		c.cases[pair{x.tag(), y.tag()}] += end - at
		at = end
		x.to(at)
		y.to(at)
	}
	return c, true
}

// A walk goes over the hashes, period by period of a ruler.
type walk struct {
	ruler []Piece
	start uint64 // of the period
	piece int
}

func (w *walk) tag() string { return w.ruler[w.piece].Tag }

func (w *walk) end() uint64 { return w.start + uint64(w.ruler[w.piece].To) }

func (w *walk) to(at uint64) {
	if at < w.end() {
		return
	}
	if w.piece++; w.piece == len(w.ruler) {
		w.piece, w.start = 0, at
	}
}

// unevenness returns by how much the probability of any set of n residues of a hash may
// differ from that of even ones, 0 to 1.
func unevenness(h rules.Hash, n uint64) float64 {
	values, rest := float64(hashes), float64(hashes%n)
	if h == rules.XXH3 {
		values, rest = 1<<64, float64(-n%n) // 2^64 modulo n
	}
	if float64(n) > values {
		return 1
	}
	return rest * (float64(n) - rest) / values / float64(n)
}

func gcd(a, b uint64) uint64 {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}
