// Package walkthrough is two published walk-throughs of hash tagging as data: the
// plug-in manifests in force at each step, and for each user the tags and the
// version of each application that answered.
//
// It knows nothing of tagproc, which is measured against it.
package walkthrough

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

//go:embed testdata/*.yaml
var files embed.FS

// A Step is a state of a rollout, and what users see in it.
type Step struct {
	Name     string
	Manifest string   // a file's name, perhaps with an edit of it in words, or "none"
	Chain    []string // the applications, in the order in which they call each other
	Users    []User
}

// A User is one value of x-user-id.
type User struct {
	ID       string
	Tags     map[string]string // what the tagger writes
	Versions map[string]string // by application
}

// Steps returns every step of both walk-throughs.
func Steps() ([]Step, error) {
	src, err := files.ReadFile("testdata/expected.yaml")
	if err != nil {
		return nil, err
	}
	var raw []struct {
		Name, Manifest string
		Chain          []string
		Users          yaml.Node // a mapping whose order matters to people
	}
	if err := yaml.Load(src, &raw); err != nil {
		return nil, fmt.Errorf("couldn't read the walk-throughs: %w", err)
	}
	var steps []Step
	for _, r := range raw {
		s := Step{Name: r.Name, Manifest: r.Manifest, Chain: r.Chain}
		for i := 0; i+1 < len(r.Users.Content); i += 2 {
			var seen map[string]string
			if err := r.Users.Content[i+1].Decode(&seen); err != nil {
				return nil, fmt.Errorf("couldn't read the walk-throughs: step %q: %w", s.Name, err)
			}
			s.Users = append(s.Users, newUser(r.Users.Content[i].Value, seen, s.Chain))
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func newUser(id string, seen map[string]string, chain []string) User {
	u := User{ID: id, Tags: map[string]string{}, Versions: map[string]string{}}
	for name, v := range seen {
		if slices.Contains(chain, name) {
			u.Versions[name] = v
		} else {
			u.Tags[name] = v
		}
	}
	return u
}

// rollback is how a step says that the canary's range is edited to nobody.
const rollback = " with range 20 set to 0"

// Rules returns the content of a rules file for the step. Where no manifest is
// in force it is a file without rules.
func (s Step) Rules() ([]byte, error) {
	if s.Manifest == "none" {
		return []byte("rules: []\n"), nil
	}
	name, edited := strings.CutSuffix(s.Manifest, rollback)
	src, err := files.ReadFile("testdata/" + name)
	if err != nil {
		return nil, fmt.Errorf("step %q: %w", s.Name, err)
	}
	if edited {
		src = []byte(strings.Replace(string(src), "range: 20", "range: 0", 1))
	}
	return src, nil
}

// IsTag reports whether a header, in lower case, is a tag of the walk-throughs.
func IsTag(name string) bool {
	return name == "x-asm-prefer-tag" || strings.HasPrefix(name, "appver")
}
