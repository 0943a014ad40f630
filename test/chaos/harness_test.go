package chaos

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy"
)

// TestLoad checks that a load sees everything that may be wrong with an answer.
func TestLoad(t *testing.T) {
	t.Parallel()
	bucket := make(map[string]int)
	for _, u := range users(1000) {
		bucket[u.id] = u.bucket
	}
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, bucket int)
		want   summary // of every answer
	}{
		{"right, the older", func(w http.ResponseWriter, bucket int) { w.Header().Set(echo.TagsHeader, wantTags(3, bucket)) }, summary{sent: 1}},
		{"right, the newer", func(w http.ResponseWriter, bucket int) { w.Header().Set(echo.TagsHeader, wantTags(4, bucket)) }, summary{sent: 1}},
		{"untagged", func(http.ResponseWriter, int) {}, summary{sent: 1, untagged: 1}},
		{"too old", func(w http.ResponseWriter, bucket int) { w.Header().Set(echo.TagsHeader, wantTags(2, bucket)) }, summary{sent: 1, wrong: 1}},
		{"not there yet", func(w http.ResponseWriter, bucket int) { w.Header().Set(echo.TagsHeader, wantTags(5, bucket)) }, summary{sent: 1, wrong: 1}},
		{"another user's", func(w http.ResponseWriter, bucket int) {
			w.Header().Set(echo.TagsHeader, strings.NewReplacer("v1", "v2", "v2", "v1").Replace(wantTags(3, bucket)))
		}, summary{sent: 1, wrong: 1}},
		{"two versions", func(w http.ResponseWriter, bucket int) {
			before, _, _ := strings.Cut(wantTags(3, bucket), ", ")
			_, after, _ := strings.Cut(wantTags(4, bucket), ", ")
			w.Header().Set(echo.TagsHeader, before+", "+after)
		}, summary{sent: 1, wrong: 1}},
		{"one tag of two", func(w http.ResponseWriter, bucket int) {
			before, _, _ := strings.Cut(wantTags(3, bucket), ", ")
			w.Header().Set(echo.TagsHeader, before)
		}, summary{sent: 1, wrong: 1}},
		{"an error", func(w http.ResponseWriter, bucket int) {
			w.Header().Set(echo.TagsHeader, wantTags(3, bucket))
			w.WriteHeader(http.StatusInternalServerError)
		}, summary{sent: 1, non200: 1}},
		{"no answer", func(http.ResponseWriter, int) { panic(http.ErrAbortHandler) }, summary{sent: 1, non200: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tt.answer(w, bucket[r.Header.Get("X-User-Id")])
			}))
			defer server.Close()
			b := &bed{gateway: &envoy.Process{Listeners: map[string]string{"ingress": server.Listener.Addr().String()}}}
			b.live.settled(3)
			b.live.next(4)
			l := b.startLoad(t, 200, "")
			l.awaitBegun(t, 20)
			answers := l.stop()
			if again := l.stop(); len(answers) < 20 || len(again) != len(answers) {
				t.Errorf("%d and then %d answers, want at least 20 and the same again", len(answers), len(again))
			}
			for _, a := range answers {
				got := summarize([]answer{a})
				if got.slowest = 0; got != tt.want {
					t.Fatalf("an answer counts as %+v, want %+v", got, tt.want)
				}
			}
		})
	}
}

// TestLoadDoesNotWait checks that requests are sent though nothing is answered, and
// that their latency counts from when they were due.
func TestLoadDoesNotWait(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	b := &bed{gateway: &envoy.Process{Listeners: map[string]string{"ingress": server.Listener.Addr().String()}}}
	l := b.startLoad(t, 500, "")
	l.awaitBegun(t, 100)
	held := l.now()
	close(release)
	answers := l.stop()
	if l.most < 100 {
		t.Errorf("%d requests were in flight at once, want at least 100", l.most)
	}
	for _, a := range answers {
		if a.due+a.latency < held {
			t.Errorf("a request that was due at %v took %v, but nothing was answered before %v", a.due, a.latency, held)
		}
	}
	if got := quantile(answers, 1); got < held {
		t.Errorf("quantile 1 = %v, want %v or more", got, held)
	}
}

// TestGenerations checks that rules and what is expected of them agree on which
// generation is which.
func TestGenerations(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 7, 1000} {
		for _, bucket := range []int{0, 50, 99} {
			if got := generationOf(wantTags(n, bucket)); got != n {
				t.Errorf("generationOf(wantTags(%d, %d)) = %d", n, bucket, got)
			}
		}
	}
	for _, tags := range []string{"", "x-asm-prefer-tag=s1", "appver-a=v1-g", "appver-a=v1-gx"} {
		if got := generationOf(tags); got != -1 {
			t.Errorf("generationOf(%q) = %d, want -1", tags, got)
		}
	}
}

func TestLastUntagged(t *testing.T) {
	t.Parallel()
	answers := []answer{{due: 1, tags: untagged}, {due: 5}, {due: 7, tags: untagged}, {due: 9, tags: untagged}, {due: 20, tags: untagged}}
	if got := lastUntagged(answers, 4, 20); got != 5 {
		t.Errorf("lastUntagged = %d, want 5", got)
	}
	if got := lastUntagged(answers[:2], 4, 20); got != 0 {
		t.Errorf("lastUntagged without one = %d, want 0", got)
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		find  func(f *findings)
		unmet string
	}{
		{"nothing", func(*findings) {}, ""},
		{"all well", func(f *findings) {
			f.count(summary{sent: 10})
			f.noneFailed()
			f.noneUntagged()
			f.exactly("a", 1, 1)
			f.atMost("b", 2, 2)
			f.atLeast("c", 2, 2)
			f.note("d", "e")
			f.end()
		}, ""},
		{"wrong tags", func(f *findings) { f.count(summary{sent: 10, wrong: 1}) }, "wrong 1 (0)"},
		{"failed", func(f *findings) { f.count(summary{sent: 10, non200: 2}); f.noneFailed() }, "non-200 2 (0)"},
		{"nothing sent", func(f *findings) { f.count(summary{}); f.noneFailed() }, "non-200 0 (0)"},
		{"untagged", func(f *findings) { f.count(summary{sent: 10, untagged: 3}); f.noneUntagged() }, "untagged 3 (0)"},
		{"not exactly", func(f *findings) { f.exactly("a", 1, 2) }, "a 1 (2)"},
		{"too many", func(f *findings) { f.atMost("a", 3000, 2) }, "a 3,000 (≤ 2)"},
		{"too few", func(f *findings) { f.atLeast("a", 1, 2) }, "a 1 (≥ 2)"},
	} {
		f := &findings{}
		tt.find(f)
		if got := strings.Join(f.unmet(), ", "); got != tt.unmet {
			t.Errorf("%s: not met %q, want %q", tt.name, got, tt.unmet)
		}
		if tt.unmet != "" && !strings.Contains(f.shown(), tt.unmet) {
			t.Errorf("%s: the table shows %q, want %q in it", tt.name, f.shown(), tt.unmet)
		}
	}
}

// TestJudgesTime checks that only -full judges time and memory. It is not parallel:
// the flag is for all tests.
func TestJudgesTime(t *testing.T) {
	was := *full
	defer func() { *full = was }()
	for _, *full = range []bool{false, true} {
		f := &findings{peak: memoryLimit}
		f.within("a", 2*time.Second, time.Second)
		f.memory("b", 2<<20, 1<<20)
		f.end()
		want := ""
		if *full {
			want = "a 2.00 s (≤ 1.00 s), b 2 MiB (≤ 1 MiB), memory 256 MiB (< 256 MiB)"
		}
		if got := strings.Join(f.unmet(), ", "); got != want {
			t.Errorf("-full=%v: not met %q, want %q", *full, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	rows := []row{{name: "none", unit: "s"}, {name: "a", unit: "kills"}}
	good, bad := &findings{peak: 20 << 20}, &findings{}
	good.count(summary{sent: 12345, untagged: 1})
	good.atMost("untagged", 1, 2)
	bad.exactly("b", 1, 0)
	got := table(rows, []result{
		{row: &rows[1], version: "1.36.4", n: 2, findings: bad},
		{row: &rows[1], version: "1.40.0", n: 1000, findings: good},
		{row: &rows[0], n: 3, findings: &findings{}, failed: true},
	})
	const want = `
| fault | figure      |  Envoy | requests | non-200 | untagged | wrong | what showed (goal) | memory |             |
|-------|-------------|-------:|---------:|--------:|---------:|------:|--------------------|-------:|-------------|
| none  | 3 s         |      – |        – |       – |        – |     – |                    |  0 MiB | **not met** |
| a     | 1,000 kills | 1.40.0 |   12,345 |       0 |        1 |     0 | untagged 1 (≤ 2)   | 20 MiB | met         |
| a     | 2 kills     | 1.36.4 |        – |       – |        – |     – | b 1 (0)            |  0 MiB | **not met** |
`
	if "\n"+got != want {
		t.Errorf("table:\n%s\nwant:%s", got, want)
	}
}

func TestSplice(t *testing.T) {
	t.Parallel()
	got, err := splice([]byte("a\n"+beginMark+"\nold\n"+endMark+"\nb\n"), "new\n")
	if want := "a\n" + beginMark + "\nnew\n" + endMark + "\nb\n"; string(got) != want || err != nil {
		t.Errorf("splice = %q, %v; want %q", got, err, want)
	}
	for _, document := range []string{"", beginMark, endMark, endMark + beginMark} {
		if got, err := splice([]byte(document), "new"); err == nil {
			t.Errorf("splice(%q) = %q, want an error", document, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		1500 * time.Microsecond: "1.5 ms", 250 * time.Millisecond: "250 ms", 5120 * time.Millisecond: "5.12 s", time.Minute: "60.0 s",
	} {
		if got := milliseconds(d); got != want {
			t.Errorf("milliseconds(%d) = %q, want %q", d, got, want)
		}
	}
}

// TestTrouble checks that lines arrive whole, however they were written, and that
// those of good answers go.
func TestTrouble(t *testing.T) {
	t.Parallel()
	w := &trouble{}
	for _, part := range []string{"a status=200 flags=- tagproc=0 why=-\nb sta", "tus=500 flags=-\nc status=200 flags=- tagproc=4 why=-\n", "d"} {
		if _, err := w.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := w.String(), "b status=500 flags=-\nc status=200 flags=- tagproc=4 why=-"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
}
