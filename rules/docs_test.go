package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var fence = regexp.MustCompile("(?ms)^```([a-z ]*)\n(.*?)\n```$")

// TestDocs loads the YAML blocks of the reference. A block marked as refused is
// followed by one with its messages.
func TestDocs(t *testing.T) {
	text := string(read(t, "../docs/rules.md"))
	blocks := fence.FindAllStringSubmatch(text, -1)
	if len(blocks) < 8 {
		t.Fatalf("docs/rules.md has %d blocks, want all of them", len(blocks))
	}
	vectors := 0
	for i, b := range blocks {
		table, problems := Load("rules.yaml", []byte(b[2]), Options{})
		switch b[1] {
		case "yaml":
			if table == nil || len(problems) > 0 {
				t.Errorf("block %d: %v\n%s", i+1, problems, b[2])
			}
		case "yaml refused":
			var got strings.Builder
			for _, p := range problems {
				fmt.Fprintln(&got, p)
			}
			if want := blocks[i+1][2] + "\n"; got.String() != want {
				t.Errorf("block %d: problems:\n%swant:\n%s", i+1, got.String(), want)
			}
		}
	}
	for _, row := range regexp.MustCompile(`(?m)^\| (fnv1a32|xxh3) \| (?:`+"`([a-z-]+)`"+` )?\| `+"`(\\S+)`"+`(?: \(UTF-8\))? \| ([0-9a-f]+) \|$`).FindAllStringSubmatch(text, -1) {
		h := Hash(slices.Index(hashNames, row[1]))
		if got := fmt.Sprintf("%x", h.sum([]byte(row[3]), h.Seed(row[2]))); got != row[4] {
			t.Errorf("%s of %q with salt %q = %s, want %s", row[1], row[3], row[2], row[4], got)
		}
		vectors++
	}
	if vectors != 4 {
		t.Errorf("%d vectors, want 4", vectors)
	}
	// The first block, asked about the users of the table.
	table := mustLoad(t, blocks[0][2])
	rows := regexp.MustCompile(`(?m)^\| (\w+) \| (\d+) \| (\d+) \| (s\d)( \((s\d) )?`).FindAllStringSubmatch(text, -1)
	if len(rows) != 6 {
		t.Errorf("%d users in the table, want 6", len(rows))
	}
	for _, row := range rows {
		user, hash, bucket, tag := row[1], row[2], row[3], row[4]
		if row[6] != "" {
			tag = row[6] // with the override of the block
		}
		d := decide(table, map[string]string{"x-user-id": user})["checkout"]
		if got := table.Tags()[d.Tag].Value; got != tag {
			t.Errorf("tag of %s = %s, want %s", user, got, tag)
		}
		sum := FNV1a32.sum([]byte(user), 0)
		if got := fmt.Sprint(sum, sum%100); got != hash+" "+bucket {
			t.Errorf("hash and bucket of %s = %s, want %s %s", user, got, hash, bucket)
		}
	}
}
