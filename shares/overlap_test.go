package shares

import "testing"

func TestOverlap(t *testing.T) {
	t.Parallel()
	table := load(t, `
rules:
- {name: a, header: x-user-id, tagHeader: x-a, policies: [{range: 20, tagValue: one}, {range: 40, tagValue: two}]}
- {name: beyond, header: x-user-id, tagHeader: x-b, policies: [{from: 40, range: 60, tagValue: one}]}
- {name: inside, header: x-user-id, tagHeader: x-c, overrides: [{values: [jason, jack], tagValue: one}], policies: [{from: 30, range: 50, tagValue: one}]}
- {name: hashed, header: x-user-id, tagHeader: x-d, hash: xxh3, policies: [{range: 50, tagValue: one}]}
- {name: salted, header: x-user-id, tagHeader: x-e, hash: xxh3, salt: spring, policies: [{range: 50, tagValue: one}]}
- {name: cookie, keys: [{cookie: uid}], tagHeader: x-f, policies: [{range: 10, tagValue: one}]}
- {name: either, keys: [{cookie: uid}, {header: x-user-id}], tagHeader: x-g, policies: [{range: 10, tagValue: one}]}
- {name: shadow, mode: shadow, header: x-user-id, tagHeader: x-h, policies: [{range: 100, tagValue: one}]}
- {name: fine, header: x-user-id, tagHeader: x-i, modulo: 1000, policies: [{range: 100, tagValue: one}]}
`)
	for _, tt := range []struct{ a, b, want string }{
		{"a", "beyond", "nobody"},
		{"a", "inside", "10% of users and 1 named user"}, // jack is in both,
		{"a/one", "inside", "1 named user"},
		{"a/two", "inside/one", "10% of users"},
		{"beyond", "inside", "10% of users"},
		{"hashed", "a", "20% of users"},
		{"hashed", "salted", "25% of users"},
		{"a", "cookie", "at most 10% of users"},
		{"either", "cookie", "10% of users"},
		{"a", "shadow", "nobody"},
		{"shadow", "a", "nobody"},
		{"a", "fine", "4% of users"},
		{"hashed", "inside", "10% of users"},
	} {
		f, err := Overlap(table, [2]string{tt.a, tt.b})
		if err != nil || f.Users() != tt.want {
			t.Errorf("Overlap(%s, %s) = %s, %v, want %s", tt.a, tt.b, f.Users(), err, tt.want)
		}
	}
	for name, want := range map[string]string{
		"insid": `there is no rule, and no tag of a rule, "insid" (did you mean "inside"?); expected RULE or RULE/TAG`,
		"a/tow": `there is no rule, and no tag of a rule, "a/tow" (did you mean "a/two"?); expected RULE or RULE/TAG`,
	} {
		if _, err := Overlap(table, [2]string{"a", name}); err == nil || err.Error() != want {
			t.Errorf("Overlap(a, %s): %v, want %s", name, err, want)
		}
	}
}
