package main

import (
	"strings"
	"testing"
	"time"
)

// Every way to tag gives each of 1,000 users the same tag and lane.
func TestVariantsTagAlike(t *testing.T) {
	users := newUsers(1000)
	bed, err := newBed(t.Context(), built, rule, variants...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bed.stop(); err != nil {
			t.Error(err)
		}
	})
	for _, v := range variants {
		t.Run(v.id, func(t *testing.T) {
			c := &connection{load: &load{address: bed.gateway.Listeners[v.id]}}
			t.Cleanup(func() {
				if err := c.close(); err != nil {
					t.Error(err)
				}
			})
			canary := 0
			for _, u := range users {
				answer := ask(t, c, v, u)
				if err := v.check(u, answer); err != nil {
					t.Fatal(err)
				}
				if again := ask(t, c, v, u); again != answer {
					t.Fatalf("the second answer is %q, the first was %q", again, answer)
				}
				if answer == answerOf("canary", u.tag, u.id) || answer == answerOf("canary", "", u.id) {
					canary++
				}
			}
			// 20% of 1,000, give or take four standard deviations.
			if low, high := 150, 250; v.filter != noFilter && (canary < low || canary > high) {
				t.Errorf("%d users of %d reached the canary, want %d to %d", canary, len(users), low, high)
			}
		})
	}
}

// ask sends a request. On a busy machine Envoy may wait longer than
// message_timeout and pass the request untagged: it is then sent again.
func ask(t *testing.T, c *connection, v variant, u user) string {
	t.Helper()
	for deadline := time.Now().Add(limit); ; {
		answer, err := c.do(t.Context(), u.request)
		if err != nil {
			t.Fatalf("%s: %v", u.id, err)
		}
		if v.filter != extProc || answer != answerOf("baseline", "", u.id) || time.Now().After(deadline) {
			return answer
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	var s1, s2 user
	for _, u := range newUsers(100) {
		switch u.tag {
		case "s1":
			s1 = u
		case "s2":
			s2 = u
		}
	}
	for _, tt := range []struct {
		variant string
		user    user
		answer  string
		ok      bool
	}{
		{"none", s2, "baseline tag= user=" + s2.id, true},
		{"none", s2, "baseline tag= user=" + s1.id, false},
		{"none", s2, "baseline tag=s2 user=" + s2.id, false},
		{"weighted", s2, "baseline tag= user=" + s2.id, true},
		{"weighted", s1, "canary tag= user=" + s1.id, true},
		{"weighted", s1, "canary tag=s2 user=" + s1.id, false},
		{"tagproc-unix", s1, "baseline tag=s1 user=" + s1.id, true},
		{"tagproc-unix", s2, "canary tag=s2 user=" + s2.id, true},
		{"tagproc-unix", s2, "baseline tag=s2 user=" + s2.id, false},
		{"tagproc-unix", s2, "baseline tag= user=" + s2.id, false},
		{"lua", s1, "", false},
	} {
		if err := variantOf(tt.variant).check(tt.user, tt.answer); (err == nil) != tt.ok {
			t.Errorf("check of %s for %s: %q = %v, want ok: %v", tt.variant, tt.user.id, tt.answer, err, tt.ok)
		}
	}
}

func TestServerThatFailsToStart(t *testing.T) {
	t.Parallel()
	_, err := startServer(t.Context(), "textbook", built.textbook, t.TempDir(), nil, 0, "--no-such-flag")
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("startServer with a wrong flag = %v, want an error with the end of its log", err)
	}
	_, err = newBed(t.Context(), built, "rules: [{}]\n", variants...)
	if err == nil || !strings.Contains(err.Error(), "rules.yaml") {
		t.Errorf("newBed with wrong rules = %v, want an error with the end of tagproc's log", err)
	}
}
