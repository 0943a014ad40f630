package observed

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tagproc/tagproc/people"
	"github.com/tagproc/tagproc/rules"
)

// TestRandom checks, for random rules and users, that exactly those users are found
// to be sent elsewhere whose row says something else than the rules decide.
func TestRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		headers := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"tag-a", "tag-b", "tag-c"}), 1, 3, rapid.ID).Draw(t, "headers")
		src := "rules:\n"
		for i := range rapid.IntRange(len(headers), 6).Draw(t, "rules") {
			src += fmt.Sprintf("- {name: r%d, header: x-user-id, tagHeader: %s, mode: %s, policies: [{range: %d, tagValue: v1}, {range: %d, tagValue: v2}]}\n",
				i, headers[i%len(headers)], rapid.SampledFrom([]string{"enforce", "enforce", "shadow", "off"}).Draw(t, "mode"),
				rapid.IntRange(0, 100).Draw(t, "first"), rapid.IntRange(0, 100).Draw(t, "second"))
		}
		table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
		if table == nil {
			t.Fatal(problems.Err())
		}
		ids := rapid.SliceOfDistinct(rapid.StringMatching(`[!-~]([ -~]{0,8}[!-~])?`).Filter(func(s string) bool { return s != "-" }), rapid.ID).
			Filter(func(ids []string) bool { return len(ids) > 0 }).Draw(t, "ids")
		rows := [][]string{append([]string{"id"}, headers...)}
		var moved []string
		for _, id := range ids {
			row := append([]string{id}, tagsOf(table, headers, id)...)
			if rapid.IntRange(0, 3).Draw(t, "moved") == 0 {
				row[1+rapid.IntRange(0, len(headers)-1).Draw(t, "which")] += "x"
				moved = append(moved, id)
			}
			rows = append(rows, row)
		}
		var file bytes.Buffer
		if err := csv.NewWriter(&file).WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		r, err := Compare(t.Context(), &file, table, Options{Show: len(ids)})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, u := range r.Different {
			found = append(found, u.Keys[0].Value)
		}
		if !slices.Equal(found, moved) || r.Elsewhere != int64(len(moved)) || r.Same != int64(len(ids)-len(moved)) {
			t.Errorf("found %q, %d elsewhere and %d the same; want %q", found, r.Elsewhere, r.Same, moved)
		}
	})
}

// tagsOf returns what is written to each of headers for a user.
func tagsOf(table *rules.Table, headers []string, id string) []string {
	r := table.NewRequest()
	r.SetKey(0, []byte(id))
	tags := make([]string, len(headers))
	for _, d := range table.Match(r) {
		if d.Writes() {
			tag := table.Tags()[d.Tag]
			tags[slices.Index(headers, tag.Header)] = tag.Value
		}
	}
	return tags
}

// FuzzCompare checks that no file does harm: the figures add up, and what is wrong
// has a place in the file.
func FuzzCompare(f *testing.F) {
	table := load(f, read(f, "testdata/rules.yaml"))
	for _, seed := range []string{
		"id,appver-a\njack,v2\n", "\ufeff\"id\",\"appver-a\"\r\n\"0001\",-\r\n", "id,appver-a\n\"jack,v2\n", "x-user-id,appver-a,appver-b\na,b,c\na,b\n\"a\nb\",,\n", "id;tag\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := Compare(t.Context(), bytes.NewReader(src), table, Options{Show: 2})
		if e, ok := errors.AsType[*people.FileError](err); ok && !bytes.HasPrefix(src, []byte("\x1f\x8b")) { // packed lines are not counted here
			ps := e.Problems
			lines := bytes.Count(src, []byte("\n")) + 1
			for _, p := range ps {
				if p.Message == "" || p.Line > lines || p.Line > 0 && p.Col < 1 || strings.ContainsAny(p.Message, "\n\r\x00") {
					t.Errorf("problem %+v in a file of %d lines", p, lines)
				}
			}
			if len(ps) == 0 || len(ps) > people.MaxProblems {
				t.Errorf("%d problems, want 1 to %d", len(ps), people.MaxProblems)
			}
		}
		if err != nil {
			return
		}
		if r.Users != r.Same+r.Elsewhere || r.Rows != r.Users+r.WithoutID+r.Repeated+r.Contradicting || r.OK() != (r.Elsewhere == 0 && len(r.Contradictions) == 0) {
			t.Errorf("the figures do not add up: %+v", r)
		}
		if int64(len(r.Different)) != min(r.Elsewhere, 2) || (r.Elsewhere > 0) != (len(r.Moves) > 0) {
			t.Errorf("%d elsewhere, and %v %v", r.Elsewhere, r.Different, r.Moves)
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	table := load(b, read(b, "testdata/rules.yaml"))
	var file bytes.Buffer
	file.WriteString("id,appver-a,appver-b\n")
	for i := range 10_000 {
		fmt.Fprintf(&file, "user-%d,v2,\n", i)
	}
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		if _, err := Compare(b.Context(), bytes.NewReader(file.Bytes()), table, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
