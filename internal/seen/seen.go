// Package seen numbers the different names in a request. Each takes constant time,
// however many there are, even if an attacker chooses the names.
package seen

import "hash/maphash"

// Names are the different names of one request after another, numbered from 0 in
// their order. The zero value has none. It is for one goroutine at a time, and
// allocates only to make room for more names than it ever had.
type Names struct {
	seed  maphash.Seed // made with index: nobody can choose names that collide
	index map[uint64]int32
	names [][]byte
}

// Reset forgets the names.
func (n *Names) Reset() {
	clear(n.names)
	n.names = n.names[:0]
	clear(n.index)
}

// Len is how many names there are.
func (n *Names) Len() int { return len(n.names) }

// Room is about how much memory n keeps, in bytes.
func (n *Names) Room() int { return cap(n.names) * 64 }

// Index returns the number of name, or -1.
func (n *Names) Index(name []byte) int {
	if len(n.names) == 0 {
		return -1
	}
	i, _ := n.find(name)
	return i
}

// Add returns the number of name, and whether it is new. The name is not copied: it
// has to stay as it is until Reset.
func (n *Names) Add(name []byte) (i int, added bool) {
	if n.index == nil {
		n.seed, n.index = maphash.MakeSeed(), map[uint64]int32{}
	}
	i, free := n.find(name)
	if i >= 0 {
		return i, false
	}
	i = len(n.names)
	n.index[free] = int32(i)
	n.names = append(n.names, name)
	return i, true
}

// find returns the number of name, or -1 and where in the index it belongs.
func (n *Names) find(name []byte) (i int, free uint64) {
	for h := maphash.Bytes(n.seed, name); ; h++ {
		i, taken := n.index[h]
		if !taken {
			return -1, h
		}
		if string(n.names[i]) == string(name) {
			return int(i), h
		}
	}
}
