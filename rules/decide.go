package rules

// Decide returns what the rule of index rule decides for an id that is known by its key
// of index key: as if it were the only rule, whatever its mode, and its match were met.
// Blanks around id are no part of it; an empty one has ReasonNoKey. It allocates nothing.
func (t *Table) Decide(rule, key int, id []byte) Decision {
	p := t.program(rule)
	return p.decide(key, TrimBlanks(id))
}

func (p *program) decide(key int, id []byte) Decision {
	d := Decision{Reason: ReasonNoKey, Mode: p.mode, Key: -1, Policy: -1, Tag: NoTag}
	if len(id) == 0 {
		return d
	}
	d.Key = int8(key)
	if o, named := p.keys[key].overrides[string(id)]; named {
		d.Reason, d.Policy, d.Tag = ReasonOverride, o.policy, o.tag
		return d
	}
	d.Hash = p.hash.sum(id, p.seed)
	d.Reason, d.Bucket = ReasonNoPolicy, uint32(d.Hash%uint64(p.modulo))
	if i := p.find(d.Bucket); i < len(p.steps) && p.steps[i].policy >= 0 {
		d.Reason, d.Policy, d.Tag = ReasonPolicy, p.steps[i].policy, p.steps[i].tag
	}
	return d
}
