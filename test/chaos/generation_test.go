package chaos

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync/atomic"
)

// generation returns rules that tag every user in two headers. The tags say from
// which generation they are, and each generation moves the ranges, so that users
// change sides.
func generation(n int) []byte {
	return fmt.Appendf(nil, `tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules:
- {header: x-user-id, tagHeader: appver-a, policies: [{range: %[2]d, tagValue: v2-g%[1]d}, {range: 100, tagValue: v1-g%[1]d}]}
- {header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: %[3]d, tagValue: s2-g%[1]d}, {range: 100, tagValue: s1-g%[1]d}]}
`, n, rangeA(n), rangeLane(n))
}

func rangeA(n int) int    { return 1 + n*7%99 }
func rangeLane(n int) int { return 1 + n*31%99 }

// wantTags returns what the upstream sees of the tags that generation n gives a
// bucket, in the form of echo.TagsHeader.
func wantTags(n, bucket int) string {
	version, lane := "v1", "s1"
	if bucket < rangeA(n) {
		version = "v2"
	}
	if bucket < rangeLane(n) {
		lane = "s2"
	}
	return fmt.Sprintf("appver-a=%s-g%d, x-asm-prefer-tag=%s-g%d", version, n, lane, n)
}

// generationOf returns the generation that tags, in the form of echo.TagsHeader,
// say they are from, or -1.
func generationOf(tags string) int {
	_, text, _ := strings.Cut(tags, "-g")
	text, _, _ = strings.Cut(text, ",")
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// A user is whom requests are sent for.
type user struct {
	id     string
	bucket int // by the definition of the hash, not by tagproc
}

func users(n int) []user {
	all := make([]user, n)
	for i := range all {
		h := fnv.New32a()
		all[i].id = fmt.Sprintf("user-%04d", i)
		_, _ = h.Write([]byte(all[i].id))
		all[i].bucket = int(h.Sum32() % 100)
	}
	return all
}

// live says which generations an answer may be of. The zero value is the first
// generation alone.
type live struct {
	oldest, newest atomic.Int64
}

// next allows generation n beside those that are live. Call it before the rules
// are written.
func (l *live) next(n int) { l.newest.Store(int64(n)) }

// settled allows nothing older than n to requests that are sent from now on. Call
// it when the rules are live.
func (l *live) settled(n int) { l.oldest.Store(int64(n)) }
