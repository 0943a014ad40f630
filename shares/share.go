package shares

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// A Share is an exact fraction of users: Count of Of. Of a rule they are buckets; of
// two, pairs of buckets, or hashes.
type Share struct{ Count, Of uint64 }

// Percent returns the share as a number from 0 to 100.
func (s Share) Percent() float64 {
	if s.Of == 0 {
		return 0
	}
	return 100 * float64(s.Count) / float64(s.Of)
}

// String returns the share in percent with up to four decimals: "12.5%".
func (s Share) String() string { return percentText(s.Percent()) }

// MarshalJSON returns {"count": 125, "of": 1000, "percent": 12.5}.
func (s Share) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count   uint64  `json:"count"`
		Of      uint64  `json:"of"`
		Percent float64 `json:"percent"`
	}{s.Count, s.Of, s.Percent()})
}

// compare returns how s compares with o, exactly: -1, 0 or 1.
func (s Share) compare(o Share) int { return s.rat().Cmp(o.rat()) }

func (s Share) rat() *big.Rat {
	if s.Of == 0 {
		return new(big.Rat)
	}
	return new(big.Rat).SetFrac(new(big.Int).SetUint64(s.Count), new(big.Int).SetUint64(s.Of))
}

// percentText returns p with up to four decimals. What is more than nobody, or less than
// everybody, never reads as nobody or everybody.
func percentText(p float64) string {
	text := strconv.FormatFloat(p, 'f', 4, 64)
	text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	switch {
	case text == "0" && p > 0:
		return "<0.0001%"
	case text == "100" && p < 100:
		return ">99.9999%"
	}
	return text + "%"
}

// A Figure is how many users something happens to.
type Figure struct {
	Percent float64 `json:"percent"` // 0 to 100, of the users whom the rules decide for
	AtMost  bool    `json:"atMost"`  // Percent is an upper bound, and not exact
	Named   int     `json:"named"`   // users named by overrides, who are not in Percent
}

// IsZero reports whether it happens to nobody.
func (f Figure) IsZero() bool { return f.Percent == 0 && f.Named == 0 }

// String returns for example "at most 15%, and 2 named users".
func (f Figure) String() string {
	if f.Named == 0 {
		return f.percent()
	}
	return f.percent() + ", and " + f.named()
}

// Users returns for example "at most 15% of users and 2 named users".
func (f Figure) Users() string {
	switch {
	case f.IsZero():
		return "nobody"
	case f.Percent == 0:
		return f.named()
	case f.Named == 0:
		return f.percent() + " of users"
	default:
		return f.percent() + " of users and " + f.named()
	}
}

func (f Figure) percent() string {
	if f.AtMost {
		return "at most " + percentText(f.Percent)
	}
	return percentText(f.Percent)
}

func (f Figure) named() string {
	if f.Named == 1 {
		return "1 named user"
	}
	return strconv.Itoa(f.Named) + " named users"
}
