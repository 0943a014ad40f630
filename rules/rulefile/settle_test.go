package rulefile

import (
	"crypto/sha256"
	"testing"
)

func TestSettle(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		known string
		looks []string // what successive looks see; the last one repeats
		want  string
		reads int
	}{
		{"as known", "a", []string{"a"}, "a", 1},
		{"changed at once", "a", []string{"b"}, "b", 2},
		{"truncated, then written", "a", []string{"", "b"}, "b", 3},
		{"truncated, then written as before", "a", []string{"", "a"}, "a", 3},
		{"in pieces", "a", []string{"", "rules:", "rules: [", "rules: []"}, "rules: []", 5},
		{"in pieces and back", "a", []string{"b", "c", "b", "c"}, "c", 5},
		{"stays empty", "a", []string{""}, "", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reads := 0
			look := func() snapshot {
				s := tt.looks[min(reads, len(tt.looks)-1)]
				reads++
				return seen(s)
			}
			got, ok := settle(seen(tt.known).version, look, func() bool { return true })
			if !ok || string(got.src) != tt.want || got.version != seen(tt.want).version {
				t.Errorf("settle(%q) = %q, %v, want %q", tt.looks, got.src, ok, tt.want)
			}
			if reads != tt.reads {
				t.Errorf("settle(%q) looked %d times, want %d", tt.looks, reads, tt.reads)
			}
		})
	}
}

func TestSettleNever(t *testing.T) {
	t.Parallel()
	reads := 0
	look := func() snapshot {
		reads++
		return seen(string(rune('a' + reads%2)))
	}
	got, ok := settle(version{}, look, func() bool { return true })
	const want = "did not stop changing for 2s: write a new file and rename it over this one"
	if !ok || got.failure != want || got.src != nil {
		t.Errorf("settle = %q (%q), %v, want %q", got.failure, got.src, ok, want)
	}
	if want := 1 + settleLooks; reads != want {
		t.Errorf("settle looked %d times, want %d", reads, want)
	}
}

func TestSettleStopped(t *testing.T) {
	t.Parallel()
	got, ok := settle(version{}, func() snapshot { return seen("a") }, func() bool { return false })
	if ok {
		t.Errorf("settle = %q, true, want false when the pause is cut short", got.src)
	}
}

func seen(content string) snapshot {
	return snapshot{version: version{sum: sha256.Sum256([]byte(content))}, src: []byte(content)}
}
