package words

import "testing"

func TestWords(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Tag(""):                        "no tag",
		Tag("s2"):                      "s2",
		Count(1, "person", "people"):   "1 person",
		Count(int64(0), "row", "rows"): "0 rows",
		Counted(1, "error"):            "1 error",
		Counted(2, "error"):            "2 errors",
		Cut("ab", 2):                   "ab",
		Cut("abc", 2):                  "ab…",
		Cut("aé", 2):                   "a…", // not half of a character
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
