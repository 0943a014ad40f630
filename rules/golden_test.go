package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/source"
)

// TestErr holds the messages of every bad file. Each file must be refused, each
// kind of problem must occur, and each problem must name a place where the file
// has one.
func TestErr(t *testing.T) {
	files, err := filepath.Glob("testdata/err/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d bad files, want at least 60 (%v)", len(files), err)
	}
	seen := map[source.Kind]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			table, problems := Load(filepath.Base(file), read(t, file), Options{})
			if table != nil || problems.Err() == nil {
				t.Errorf("Load accepts the file")
			}
			var out strings.Builder
			for _, p := range problems {
				seen[p.Kind] = true
				out.WriteString(p.String() + "\n")
				if strings.ContainsAny(p.String(), "\r\n\x00") {
					t.Errorf("the message is not one printable line: %q", p.String())
				}
			}
			golden.Check(t, strings.TrimSuffix(file, ".yaml")+".out", out.String())
		})
	}
	for _, k := range []source.Kind{
		source.KindTooManyProblems, source.KindEncoding, source.KindEmpty, source.KindSyntax, KindSeveralDocuments, source.KindAliases, KindEnvelope, source.KindUnknownKey, source.KindUnsupported,
		source.KindDuplicateKey, source.KindType, source.KindMissing, KindName, KindHeader, KindForbiddenHeader, KindKeyIsTag, KindUndeclaredTag,
		KindTooManyTagHeaders, KindPropagation, KindTagValue, KindModulo, KindRange, KindHash, KindSalt, KindMode, KindNoPolicies, KindOverride, KindUnreachable,
	} {
		if !seen[k] {
			t.Errorf("no file in testdata/err has a problem of kind %q", k)
		}
	}
}

// TestOK checks what good files compile to, and their warnings.
func TestOK(t *testing.T) {
	files, err := filepath.Glob("testdata/ok/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Ext(file) == ".out" {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			table, problems := Load(filepath.Base(file), read(t, file), Options{})
			if table == nil {
				t.Fatalf("Load refuses the file: %v", problems.Err())
			}
			warned := strings.HasPrefix(filepath.Base(file), "warned-")
			if warned != (len(problems.Without(source.Note)) > 0) {
				t.Errorf("problems = %v, want warnings: %v", problems, warned)
			}
			var out strings.Builder
			fmt.Fprintf(&out, "digest %s\nowned %+v\ntrustClientTags %v\nkeys %v\ntags %v\n", table.Digest(), table.Owned(), table.TrustClientTags(), table.Keys(), table.Tags())
			if p := table.Propagated(); !p.IsZero() {
				fmt.Fprintf(&out, "propagated %+v\n", p)
			}
			for _, r := range table.Rules() {
				fmt.Fprintf(&out, "rule %+v\n", r)
			}
			for _, p := range problems {
				fmt.Fprintln(&out, p)
			}
			golden.Check(t, strings.TrimSuffix(file, filepath.Ext(file))+".out", out.String())
		})
	}
}

func TestTooLarge(t *testing.T) {
	src := []byte("rules: [] #" + strings.Repeat("x", MaxFileSize))
	if table, problems := Load("big.yaml", src, Options{}); table != nil || problems[0].Kind != source.KindTooLarge {
		t.Errorf("Load of %d bytes = %v, %v, want a problem of kind %q", len(src), table, problems, source.KindTooLarge)
	}
	src = src[:MaxFileSize]
	if table, problems := Load("big.yaml", src, Options{}); table == nil {
		t.Errorf("Load of %d bytes: %v, want a table", len(src), problems)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return src
}
