package walkthrough

import (
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestSteps(t *testing.T) {
	steps, err := Steps()
	if err != nil {
		t.Fatal(err)
	}
	users := 0
	for _, s := range steps {
		src, err := s.Rules()
		if err != nil || !strings.Contains(string(src), "rules:") {
			t.Errorf("%s: Rules = %q, %v", s.Name, src, err)
		}
		if strings.HasSuffix(s.Manifest, rollback) != strings.Contains(string(src), "range: 0 ") {
			t.Errorf("%s: a rollback by range 0 and its manifest differ:\n%s", s.Name, src)
		}
		for _, u := range s.Users {
			users++
			if len(u.Versions) != len(s.Chain) {
				t.Errorf("%s: %s has the versions %v, want one for each of %v", s.Name, u.ID, u.Versions, s.Chain)
			}
		}
	}
	if len(steps) != 9 || users != 35 {
		t.Errorf("%d steps with %d users, want 9 with 35", len(steps), users)
	}
	if first := steps[0].Users[0]; first.ID != "jason" || first.Tags["x-asm-prefer-tag"] != "s1" || first.Versions["mockc"] != "v2" {
		t.Errorf("the first user is %+v, want jason", first)
	}
}
