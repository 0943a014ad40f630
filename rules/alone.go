package rules

// Alone returns a Table in which every rule decides for itself: whatever the request is
// like that its match is about, whatever earlier rules say, and if it is off too. All of
// its decisions are as those of shadow rules. It is for counting people of whom nothing
// but the keys is known.
func (t *Table) Alone() *Table {
	alone := *t
	var all []*program
	for _, chunk := range t.compiled {
		for _, p := range chunk {
			by := *p
			by.mode, by.when = ModeShadow, nil
			all = append(all, &by)
		}
	}
	alone.compiled = newPrograms(all)
	return &alone
}
