package processor

import (
	"bytes"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/rules"
)

// visitors are the cookies of visitors, ready to be given.
type visitors struct {
	ofRule []uint8 // by index of Table.Rules: the bit of the rule's cookie, or 0
	// gifts are, by the bits of cookies that are given together, the field
	// dynamic_metadata of a ProcessingResponse.
	gifts []gift
}

// A gift is encoded already, apart from the id, which stands at each of places.
type gift struct {
	field  []byte
	places []int
}

func newVisitors(t *rules.Table) *visitors {
	all := t.Visitors()
	v := &visitors{gifts: make([]gift, 1<<len(all))}
	for _, r := range t.Rules() {
		bit := uint8(0)
		if last := len(r.Keys) - 1; last >= 0 && r.Keys[last].Source == rules.KeyVisitor {
			for i := range all {
				if all[i].Cookie == r.Keys[last].Name {
					bit = 1 << i
				}
			}
		}
		v.ofRule = append(v.ofRule, bit)
	}
	for bits := 1; bits < len(v.gifts); bits++ {
		v.gifts[bits] = newGift(all, bits)
	}
	return v
}

// newGift returns the gift of those of all whose bits are set.
func newGift(all []rules.Visitor, bits int) gift {
	id := strings.Repeat("\x00", rules.VisitorIDSize) // nothing else has a NUL in it
	entries := structEntry(contract.CacheControlKey, structpb.NewStringValue("private"))
	for i := range all {
		if bits&(1<<i) != 0 {
			before, behind := all[i].SetCookie()
			entries = append(entries, structEntry(contract.SetCookieKey(i), structpb.NewStringValue(before+id+behind))...)
		}
	}
	var g gift
	g.field = protowire.AppendVarint([]byte{responseDynamicMetadata}, uint64(structEntrySize(contract.VisitorNamespace, len(entries))))
	g.field = append(appendStructHead(g.field, contract.VisitorNamespace, len(entries)), entries...)
	for at := 0; ; at += rules.VisitorIDSize {
		next := bytes.Index(g.field[at:], []byte(id))
		if next < 0 {
			return g
		}
		at += next
		g.places = append(g.places, at)
	}
}

// append appends to a reply what the visitor in s is given. Metadata that stands in
// a reply twice is merged.
func (v *visitors) append(dst []byte, s *scratch) []byte {
	if s.visitors == 0 {
		return dst
	}
	g := &v.gifts[s.visitors]
	begin := len(dst)
	dst = append(dst, g.field...)
	for _, at := range g.places {
		copy(dst[begin+at:], s.keys.Given())
	}
	return dst
}
