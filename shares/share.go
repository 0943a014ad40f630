package shares

import (
	"encoding/json"
	"math/big"
	"strconv"

	"github.com/tagproc/tagproc/internal/words"
)

// decimals are those of a percentage in text: shares of a million buckets.
const decimals = 4

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
func (s Share) String() string { return words.Percent(s.Percent(), decimals) }

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
		return "at most " + words.Percent(f.Percent, decimals)
	}
	return words.Percent(f.Percent, decimals)
}

func (f Figure) named() string {
	if f.Named == 1 {
		return "1 named user"
	}
	return strconv.Itoa(f.Named) + " named users"
}
