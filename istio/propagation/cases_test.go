package propagation

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/rules"
)

// A caseFile is one of testdata/cases. Every data path is held to it.
type caseFile struct {
	Travels struct {
		Headers        []string
		HeaderPrefixes []string `yaml:"headerPrefixes"`
	}
	Cases []struct {
		Name    string
		Request []string // lines
		Want    []string // lines of the headers that it is about, sorted by name
	}
}

func (f *caseFile) travels() rules.Owned {
	return rules.Owned{Headers: f.Travels.Headers, Prefixes: f.Travels.HeaderPrefixes}
}

func readCases(t *testing.T, name string) *caseFile {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", "cases", name))
	if err != nil {
		t.Fatal(err)
	}
	f := &caseFile{}
	if err := yaml.Load(src, f); err != nil {
		t.Fatal(err)
	}
	if len(f.Cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	for i, c := range f.Cases {
		for _, lines := range [][]string{c.Request, c.Want} {
			for j, line := range lines {
				lines[j] = raw(t, line)
			}
		}
		f.Cases[i] = c
	}
	return f
}

var repeated = regexp.MustCompile(`\(\((\d+)\*(.*?)\)\)`)

// raw returns a line as it is sent: a byte for each character, repeated where it
// says so.
func raw(t *testing.T, line string) string {
	t.Helper()
	line = repeated.ReplaceAllStringFunc(line, func(s string) string {
		m := repeated.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[1])
		return strings.Repeat(m[2], n)
	})
	b := make([]byte, 0, len(line))
	for _, r := range line {
		if r > 0xff {
			t.Fatalf("%q is no byte", r)
		}
		b = append(b, byte(r))
	}
	return string(b)
}

// parse returns lines as HTTP has them.
func parse(lines []string) (request []header) {
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ":")
		request = append(request, header{strings.ToLower(name), strings.Trim(value, " \t")})
	}
	return request
}

// relevant returns, as sorted lines, the headers that is chooses; several of one name
// stay in their order.
func relevant(request []header, is func(name string) bool) (lines []string) {
	request = slices.Clone(request)
	slices.SortStableFunc(request, func(a, b header) int { return strings.Compare(a.name, b.name) })
	for _, h := range request {
		if is(h.name) {
			lines = append(lines, h.name+": "+h.value)
		}
	}
	return lines
}

func isBaggage(name string) bool { return name == "baggage" }

// TestOracle checks that the references of the tests with generated requests are what
// the cases say.
func TestOracle(t *testing.T) {
	t.Parallel()
	restore, collect := readCases(t, "restore.yaml"), readCases(t, "collect.yaml")
	for _, c := range restore.Cases {
		if got := relevant(restored(restore.travels(), parse(c.Request)), restore.travels().Contains); !slices.Equal(got, c.Want) {
			t.Errorf("%s: restored(%.200q) = %.200q, want %.200q", c.Name, c.Request, got, c.Want)
		}
	}
	for _, c := range collect.Cases {
		if got := relevant(collected(collect.travels(), parse(c.Request)), isBaggage); !slices.Equal(got, c.Want) {
			t.Errorf("%s: collected(%.200q) = %.200q, want %.200q", c.Name, c.Request, got, c.Want)
		}
	}
}
