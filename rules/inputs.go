package rules

import "slices"

// The pseudo-headers and the header that hold more than a key.
const (
	authorityHeader = ":authority"
	pathHeader      = ":path"
	cookieHeader    = "cookie"
)

// inputs are what the rules of a file look at in a request. Each has a slot, in
// which a Request keeps its value: first headers, then cookies and parameters of
// the query.
type inputs struct {
	headers                 []string // in lower case, by slot
	authority, path, cookie int      // slots of these headers; -1: no rule looks at them
	cookies, queries        slots
	size                    int // how many slots there are
}

// slots gives the slot of each name.
type slots struct {
	byName  map[string]int
	lengths uint64 // bit n: there is a name of n bytes (63: or more)
}

// of returns the slot of name. It is quick if no name has that length.
func (s *slots) of(name []byte) (slot int, ok bool) {
	if s.lengths&(1<<min(uint(len(name)), 63)) == 0 {
		return 0, false
	}
	slot, ok = s.byName[string(name)]
	return slot, ok
}

// newInputs returns the inputs of rules that look at these headers, and have these
// keys, and the slot of each key.
func newInputs(headers []string, keys []Key) (in *inputs, slotsOfKeys []int) {
	in = &inputs{headers: slices.Compact(slices.Sorted(slices.Values(headers))), cookies: slots{byName: map[string]int{}}, queries: slots{byName: map[string]int{}}}
	in.authority, in.path, in.cookie = slices.Index(in.headers, authorityHeader), slices.Index(in.headers, pathHeader), slices.Index(in.headers, cookieHeader)
	in.size = len(in.headers)
	for _, k := range keys {
		switch k.Source {
		case KeyCookie, KeyVisitor:
			slotsOfKeys = append(slotsOfKeys, in.add(&in.cookies, k.Name))
		case KeyQuery:
			slotsOfKeys = append(slotsOfKeys, in.add(&in.queries, k.Name))
		default:
			slotsOfKeys = append(slotsOfKeys, in.slotOfHeader(k.Name))
		}
	}
	return in, slotsOfKeys
}

// add returns the slot of name in s, which is added if absent.
func (in *inputs) add(s *slots, name string) int {
	slot, ok := s.byName[name]
	if !ok {
		slot = in.size
		in.size++
		s.byName[name] = slot
		s.lengths |= 1 << min(uint(len(name)), 63)
	}
	return slot
}

// slotOfHeader returns the slot of a header among in.headers.
func (in *inputs) slotOfHeader(name string) int {
	slot, _ := slices.BinarySearch(in.headers, name)
	return slot
}
