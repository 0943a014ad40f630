package rules

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// vectors are part of the specification: they never change. Those of xxh3 were
// computed with the reference implementation (PyPI's xxhash), those of fnv1a32
// with a transcription of the definition; the users are those of two published
// walk-throughs, which print the same buckets.
var vectors = []struct {
	hash   Hash
	salt   string
	key    string
	want   uint64
	bucket uint64 // modulo 100
}{
	{FNV1a32, "", "jessie", 0x256b8b58, 16},
	{FNV1a32, "", "jack", 0x2e53cc9a, 2},
	{FNV1a32, "", "bob", 0x86c6a0d4, 44},
	{FNV1a32, "", "stacy", 0x74518055, 25},
	{FNV1a32, "", "vance", 0x2d95a582, 54},
	{FNV1a32, "", "jason", 0x1413e530, 76},
	{FNV1a32, "", "0001", 0xb4edd142, 82},
	{FNV1a32, "", "0002", 0xb3edcfaf, 63},
	{FNV1a32, "", "0003", 0xb2edce1c, 44},
	{FNV1a32, "", "0004", 0xb1edcc89, 25},
	{FNV1a32, "", "0005", 0xb0edcaf6, 6},
	{FNV1a32, "", "a", 0xe40c292c, 20},
	{FNV1a32, "", "Grüße", 0xb8226e38, 84},
	{FNV1a32, "", strings.Repeat("x", 300), 0x970138f5, 33},
	{XXH3, "", "jessie", 0x9809ba917be77aac, 20},
	{XXH3, "", "jack", 0x2b0a4a911beeeaf0, 96},
	{XXH3, "", "0005", 0x5a0707b8bc2572ac, 24},
	{XXH3, "", "a", 0xe6c632b61e964e1f, 19},
	{XXH3, "", "Grüße", 0xb40c17e2196d97d8, 92},
	{XXH3, "", strings.Repeat("x", 300), 0xa5d1b4607dc83554, 92},
	{XXH3, "spring-launch", "jessie", 0x72a622d8952cf7f1, 61},
	{XXH3, "spring-launch", "jack", 0xd2abb1f3738cc046, 18},
	{XXH3, "spring-launch", "0005", 0xb088c19ceff40a83, 95},
	{XXH3, "spring-launch", "a", 0x56d04305c9e41354, 88},
	{XXH3, "spring-launch", "Grüße", 0xd975e40bd96d4048, 0},
	{XXH3, "spring-launch", strings.Repeat("x", 300), 0xdef84fc8bcf40823, 59},
}

func TestHash(t *testing.T) {
	for _, v := range vectors {
		got := v.hash.sum([]byte(v.key), v.hash.Seed(v.salt))
		if got != v.want || got%100 != v.bucket {
			t.Errorf("%v of %q with salt %q = %#x, bucket %d; want %#x, bucket %d", v.hash, v.key, v.salt, got, got%100, v.want, v.bucket)
		}
	}
}

// TestWeaknesses holds the figures of docs/rules.md on ids that fnv1a32 spreads over
// buckets unevenly, and xxh3 evenly.
func TestWeaknesses(t *testing.T) {
	text := string(read(t, "../docs/rules.md"))
	for _, tt := range []struct {
		ids func(yield func(string))
	}{
		{func(yield func(string)) {
			for i := range 100_000 {
				yield(fmt.Sprintf("%d:%d", i, i))
			}
		}},
		{func(yield func(string)) {
			for a := range 26 {
				for b := range 26 {
					for c := range 26 {
						yield(fmt.Sprintf("%[1]c%[1]c%[2]c%[2]c%[3]c%[3]c", 'a'+a, 'a'+b, 'a'+c))
					}
				}
			}
		}},
	} {
		for _, h := range []Hash{FNV1a32, XXH3} {
			reached := map[uint64]bool{}
			tt.ids(func(id string) { reached[h.sum([]byte(id), 0)%100] = true })
			want := map[Hash]int{FNV1a32: 50, XXH3: 100}[h]
			if len(reached) != want {
				t.Errorf("%v: the ids reach %d buckets, want %d", h, len(reached), want)
			}
			for b := range reached {
				if h == FNV1a32 && b%2 == 0 {
					t.Errorf("%v: the ids reach bucket %d, want odd ones", h, b)
				}
			}
			if said := fmt.Sprintf("%d of 100 buckets", want); !strings.Contains(text, said) {
				t.Errorf("docs/rules.md does not say %q", said)
			}
		}
	}
	for _, h := range []Hash{FNV1a32, XXH3} {
		var buckets [2]int
		for i := 0; i < 1_000_000; i += 11 {
			buckets[h.sum([]byte(strconv.Itoa(i)), 0)%2]++
		}
		said := fmt.Sprintf("| `%v` | %.1f%% | %.1f%% |", h, 100*float64(buckets[0])/90_910, 100*float64(buckets[1])/90_910)
		if buckets[0]+buckets[1] != 90_910 || !strings.Contains(text, said) {
			t.Errorf("docs/rules.md does not say %q (%v)", said, buckets)
		}
	}
}
