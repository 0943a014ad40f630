package people

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"testing"
)

func made(tb testing.TB, kind Kind, n int64, seed uint64) (ids []string) {
	tb.Helper()
	g, err := Generate(kind, n, seed)
	if err != nil {
		tb.Fatal(err)
	}
	for {
		id, err := g.Next()
		if errors.Is(err, io.EOF) {
			return ids
		}
		if err != nil {
			tb.Fatal(err)
		}
		ids = append(ids, string(id))
	}
}

// TestGenerate checks the form of ids, that no two are equal, and that a seed repeats them.
func TestGenerate(t *testing.T) {
	t.Parallel()
	for kind, form := range map[Kind]string{
		UUID:       `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		Sequential: `^[1-9][0-9]*$`,
		Email:      `^[a-z]+\.[a-z]+[0-9]*@([a-z]+\.)?example\.(com|net|org)$`,
	} {
		const n = 50_000
		ids := made(t, kind, n, 7)
		like, seen := regexp.MustCompile(form), map[string]bool{}
		for _, id := range ids {
			seen[id] = true
			if message, _ := CheckID([]byte(id)); message != "" || !like.MatchString(id) {
				t.Fatalf("%s makes %q (%s), want the form %s", kind, id, message, form)
			}
		}
		if len(ids) != n || len(seen) != n {
			t.Errorf("%s makes %d ids, %d different ones, want %d", kind, len(ids), len(seen), n)
		}
		if !slices.Equal(made(t, kind, n, 7), ids) {
			t.Errorf("%s makes other ids by the same seed", kind)
		}
		if again := made(t, kind, n, 8); (kind != Sequential) == slices.Equal(again, ids) {
			t.Errorf("%s by another seed: the same ids: %v", kind, kind != Sequential)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind Kind
		n    int64
		want string
	}{
		{"uid", 1, `there are no ids of the kind "uid"; expected one of uuid, sequential, email`},
		{UUID, 0, "0 is no number of ids from 1 to 1000000000"},
		{Email, MaxGenerated + 1, "1000000001 is no number of ids from 1 to 1000000000"},
	} {
		if _, err := Generate(tt.kind, tt.n, 0); err == nil || err.Error() != tt.want {
			t.Errorf("Generate(%q, %d): %v, want %s", tt.kind, tt.n, err, tt.want)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	for _, kind := range Kinds {
		b.Run(string(kind), func(b *testing.B) {
			g, err := Generate(kind, MaxGenerated, 0)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
