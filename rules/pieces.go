package rules

// A Piece is neighbouring buckets of a rule that have one outcome.
type Piece struct {
	From, To uint32 // from From to below To
	Policy   int32  // the index of the policy that takes them, or -1
	Tag      int32  // an index into Table.Tags, or NoTag
}

// Pieces returns all buckets of the rule of index rule, in their order.
func (t *Table) Pieces(rule int) []Piece {
	p := t.program(rule)
	pieces := make([]Piece, 0, len(p.steps)+1)
	from := uint32(0)
	for _, s := range p.steps {
		pieces = append(pieces, Piece{From: from, To: s.bound, Policy: s.policy, Tag: s.tag})
		from = s.bound
	}
	if from < p.modulo {
		pieces = append(pieces, Piece{From: from, To: p.modulo, Policy: -1, Tag: NoTag})
	}
	return pieces
}
