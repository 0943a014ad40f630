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
		Percent(0, 4):                  "0%",
		Percent(10, 4):                 "10%",
		Percent(100, 2):                "100%",
		Percent(12.5, 2):               "12.5%",
		Percent(24.6011, 2):            "24.6%",
		Percent(0.0001, 4):             "0.0001%",
		Percent(0.00001, 4):            "<0.0001%",
		Percent(0.001, 2):              "<0.01%",
		Percent(99.99999, 4):           ">99.9999%",
		Percent(99.996, 2):             ">99.99%",
		Percent(20.4, 0):               "20%",
		Percent(0, 0):                  "0%",
		Percent(0.4, 0):                "<1%",
		Percent(99.6, 0):               ">99%",
		Percent(100, 0):                "100%",
		Percent(9.96, 1):               "10%",
		Cut("ab", 2):                   "ab",
		Cut("abc", 2):                  "ab…",
		Cut("aé", 2):                   "a…", // not half of a character
		Shell("shop/rules.yaml"):       "shop/rules.yaml",
		Shell("s2=20%"):                "s2=20%",
		Shell(""):                      "''",
		Shell("two words"):             "'two words'",
		Shell("it's"):                  `'it'\''s'`,
		Shell("a\nb"):                  "'a b'",
		Shell("$(id)"):                 "'$(id)'",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
