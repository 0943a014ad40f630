package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestOldFiles checks that a file of the language's first form keeps its digest,
// its buckets and its tags. The archive was written before the language had more
// than header keys and plain ranges; it is not written again.
func TestOldFiles(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/old.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Files) != 400 {
		t.Fatalf("the archive has %d files, want 200 rules files and what each means", len(archive.Files))
	}
	for i := 0; i < len(archive.Files); i += 2 {
		file, want := archive.Files[i], archive.Files[i+1]
		table, problems := Load(file.Name, file.Data, Options{})
		if table == nil {
			t.Errorf("%s: %v", file.Name, problems.Err())
			continue
		}
		if got := meaningOf(table); got != string(want.Data) {
			t.Errorf("%s means\n%s\nwant\n%s", file.Name, got, want.Data)
		}
	}
}

// meaningOf returns the digest of table, and its decisions for 24 users, those with
// a key each in another header included.
func meaningOf(table *Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digest %s\n", table.Digest())
	r, tags := table.NewRequest(), table.Tags()
	for u := range 24 {
		user := fmt.Sprintf("user-%d", u)
		r.Reset()
		for i := range table.Keys() {
			if (u+i)%5 > 0 {
				r.SetKey(i, []byte(user))
			}
		}
		b.WriteString(user)
		for _, d := range table.Match(r) {
			tag := "-"
			if d.Tag != NoTag {
				tag = tags[d.Tag].Value
			}
			fmt.Fprintf(&b, " %s/%d/%s", d.Reason, d.Bucket, tag)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
