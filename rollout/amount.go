package rollout

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"
)

// An Amount is a share of users as it is typed: "25%", "25", "12.5%" or "1/3".
type Amount struct {
	text  string
	share *big.Rat // 0 to 1
}

var amountForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:\d{1,3}(?:\.\d{1,9})?%?|\d{1,7}/\d{1,7})$`) })

// ParseAmount reads a share of users.
func ParseAmount(text string) (Amount, error) {
	wrong := fmt.Errorf("%q: expected a percentage from 0%% to 100%%, such as 25%% or 12.5%%, or a fraction such as 1/3", text)
	if !amountForm().MatchString(text) {
		return Amount{}, wrong
	}
	share, ok := new(big.Rat).SetString(strings.TrimSuffix(text, "%"))
	if !ok { // a denominator of 0
		return Amount{}, wrong
	}
	if !strings.Contains(text, "/") {
		share.Quo(share, big.NewRat(100, 1))
	}
	if share.Cmp(big.NewRat(1, 1)) > 0 {
		return Amount{}, wrong
	}
	return Amount{text, share}, nil
}

// String returns the Amount as it was typed.
func (a Amount) String() string { return a.text }

// IsZero reports whether a is nobody.
func (a Amount) IsZero() bool { return a.share.Sign() == 0 }

// buckets returns how many of modulo buckets a is. Where it is no whole number the error
// has the nearest two that are.
func (a Amount) buckets(modulo uint32) (uint32, error) {
	n := new(big.Rat).Mul(a.share, new(big.Rat).SetUint64(uint64(modulo)))
	whole := new(big.Int).Quo(n.Num(), n.Denom()).Uint64()
	if !n.IsInt() {
		meant := ""
		if strings.HasPrefix(a.text, "0.") && !strings.HasSuffix(a.text, "%") { // a fraction, perhaps
			percent := new(big.Rat).Mul(a.share, big.NewRat(10000, 1))
			digits, _ := percent.FloatPrec()
			meant = "; did you mean " + percent.FloatString(digits) + "%?"
		}
		return 0, fmt.Errorf("%s of %d buckets is no whole number of them; the nearest shares are %s and %s%s", a, modulo, ShareText(uint32(whole), modulo), ShareText(uint32(whole)+1, modulo), meant)
	}
	return uint32(whole), nil
}

// ShareText returns n of modulo buckets as [ParseAmount] reads it.
func ShareText(n, modulo uint32) string {
	percent := big.NewRat(100*int64(n), int64(modulo))
	if digits, exact := percent.FloatPrec(); exact && digits <= 9 {
		return percent.FloatString(digits) + "%"
	}
	return fmt.Sprintf("%d/%d", n, modulo)
}
