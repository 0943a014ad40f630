package people

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A Kind is how ids look that are made up.
type Kind string

// The kinds of ids.
const (
	UUID       Kind = "uuid"       // 92ab1e5c-… , random ones of version 4
	Sequential Kind = "sequential" // 1, 2, 3, …, as databases number users
	Email      Kind = "email"      // anna.berg17@example.com
)

// Kinds are the kinds of ids.
var Kinds = []Kind{UUID, Sequential, Email}

// MaxGenerated is the most ids that a Generator makes.
const MaxGenerated = 1_000_000_000

// A Generator makes up ids, each of them once.
type Generator struct {
	kind    Kind
	n, made int64
	seed    uint64
	random  *rand.PCG
	id      []byte
}

// Generate returns a Generator of n ids, 1 to [MaxGenerated]. The same kind and seed
// make the same ids, in the same order.
func Generate(kind Kind, n int64, seed uint64) (*Generator, error) {
	if !slices.Contains(Kinds, kind) {
		return nil, fmt.Errorf("there are no ids of the kind %q; expected one of %s", kind, kindNames())
	}
	if n < 1 || n > MaxGenerated {
		return nil, fmt.Errorf("%d is no number of ids from 1 to %d", n, MaxGenerated)
	}
	return &Generator{kind: kind, n: n, seed: seed, random: rand.NewPCG(seed, 0)}, nil
}

func kindNames() string {
	var names []string
	for _, k := range Kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// Next returns the next id, which is valid until the call after it, and io.EOF behind
// the last one.
func (g *Generator) Next() ([]byte, error) {
	if g.made == g.n {
		return nil, io.EOF
	}
	i := uint64(g.made)
	g.made++
	switch g.id = g.id[:0]; g.kind {
	case UUID:
		g.uuid()
	case Email:
		g.email(i)
	default:
		g.id = strconv.AppendUint(g.id, i+1, 10)
	}
	return g.id, nil
}

// IDs returns how many ids were made.
func (g *Generator) IDs() int64 { return g.made }

// uuid makes an id as RFC 9562 has it in section 5.4.
func (g *Generator) uuid() {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], g.random.Uint64())
	binary.BigEndian.PutUint64(b[8:], g.random.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	from := 0
	for i, to := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			g.id = append(g.id, '-')
		}
		g.id = hex.AppendEncode(g.id, b[from:to])
		from = to
	}
}

// email makes the address of index i. Once every pair of names has every domain, numbers
// tell people apart.
func (g *Generator) email(i uint64) {
	pairs := uint64(len(firstNames) * len(lastNames) * len(domains))
	const spread = 7919 // a prime: neighbours differ in every part, and no address comes twice
	number, which := i/pairs, (i%pairs*spread+g.seed%pairs)%pairs
	first, last := which%uint64(len(firstNames)), which/uint64(len(firstNames))%uint64(len(lastNames))
	g.id = append(g.id, firstNames[first]...)
	g.id = append(g.id, '.')
	g.id = append(g.id, lastNames[last]...)
	if number > 0 {
		g.id = strconv.AppendUint(g.id, number, 10)
	}
	g.id = append(g.id, '@')
	g.id = append(g.id, domains[which/uint64(len(firstNames)*len(lastNames))]...)
}

// The parts of addresses. The domains are reserved (RFC 2606): nobody has them.
var (
	firstNames = strings.Fields(`aisha alex amara anna antonio bao carlos chen chloe daniel diego elena emma fatima felix
		hana hugo ines ivan jack james jessie jose julia kai kofi lars laura leila liam lin lucas luis maria marta mei mia
		mohamed nadia nina noah olga omar paul priya rahul rosa sara sofia tomas wei yusuf zoe`)
	lastNames = strings.Fields(`ali andersson bauer becker berg brown chen costa diaz dubois evans ferrari fischer garcia
		gomez hansen huang ito ivanov jensen johnson jones kaya khan kim kowalski kumar lee li lopez martin meyer mueller
		nguyen novak okafor park patel perez petrov rossi santos sato schmidt silva singh smith suzuki tanaka tran wagner
		wang weber williams wong yilmaz zhang`)
	domains = []string{"example.com", "example.net", "example.org", "mail.example.com", "post.example.net", "uni.example.org"}
)
