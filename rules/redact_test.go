package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/source"
)

// ofRules are the keys of a rule as messages list them: no ids.
var ofRules = regexp.MustCompile(`(header|cookie|query|visitor) \S+`)

// leaks returns the problems of a file that name one of ids, redacted as they are: of the
// kinds whose messages quote names, it looks at the lines alone. quoted is how many did so
// before they were redacted.
func leaks(t testing.TB, src string, ids ...string) (wrong []string, quoted int) {
	t.Helper()
	_, problems := Load("rules.yaml", []byte(src), Options{})
	has := func(text string) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(text, id) })
	}
	for _, p := range problems {
		r := Redact(p)
		if has(p.Message + p.Source) {
			quoted++
		}
		if len([]rune(r.Source)) != len([]rune(p.Source)) {
			t.Errorf("%s\n%s\nmoves columns: it was\n%s", r, r.Source, p.Source)
		}
		if has(r.Source) || has(ofRules.ReplaceAllString(r.Message, "")) && !slices.Contains(named, p.Kind) {
			wrong = append(wrong, r.String()+"\n"+r.Source)
		}
	}
	return wrong, quoted
}

// mistaken are files that are refused, with what may be ids of users.
func mistaken() (files []string) {
	const head = "rules:\n- header: x-user-id\n  tagHeader: tag\n  policies: [{range: 20, tagValue: s2}]\n"
	for _, overrides := range []string{
		"overrides: [{values: [frida, frida], tagValue: s2}]",
		"overrides: [{values: [\"frida\\u0001\"], tagValue: s2}]",
		"overrides: [{values: [\"frida\\u00a0\"], tagValue: s2}, {}]",
		"overrides:\n  - tagValue: s2\n    values:\n    - frida\n    - frida",
		"overrides:\n  - tagValue: s2\n    values:\n    - 4711\n    - 4711.5",
		"overrides:\n  - tagValue: s2\n    values:\n    - \"frida: x\"\n    - \"frida: x\"",
		"overrides:\n  - tagValue: s2\n    values:\n    - frida\n    - [frida]",
		"overrides: [{values: frida, tagValue: s2}]",
		"overrides: [{values: [frida], tagVale: s2}]",
		"overrides: [{values: [frida}]",
		"overrides: [{values: [frida,\n    frida], tagValue: s2}]",
		// Keys that are misspelt, or where a key does not belong.
		"overrides: [{valeus: [frida], tagValue: s2}]",
		"overrides:\n  - tagValue: s2\n    users: [frida]",
		"overrides:\n  - tagValue: s2\n    frida: true",
		"overrides: {frida: s2}",
		"overrides: [frida: s2]",
		"overrides: [frida]",
		"overrides: frida",
		"overrides: 4711",
		"overrides:\n  - tagValue: s2\n    none: frida\n",
		"overrides:\n  - {tagValue: [frida], values: 4711}\n",
		"overrides:\n  - {tagValue: \"frida k\", values: [s2]}\n",
		"overrides:\n  - {tagValue: {4711: 2}, values: [s2]}\n",
		"overrides: [{key: {header: x}, values: {frida: 1}}]",
		"override: [{values: [frida], tagValue: s2}]",
		"overrides: [{values: [frida], tagValue: s2, values: [frida]}]",
		"overrides: [{values: [{frida: 4711}], tagValue: s2}]",
		"overrides: [{values: [*frida], tagValue: s2}]",
		"overrides: [{values: &frida [*frida], tagValue: s2}]",
		"overrides: [{values: [!frida x, !!binary frida], tagValue: s2}]",
		"overrides: [{values: [2026-04-07], tagValue: frida-4711, none: 47112026-04-07}]",
		"frida: s2",
		"- frida",
		"frida",
		"\"frida",
		"? frida",
		"|4711 frida",
		"overrides:\n- values: [frida]\n  tagValue: s2",
		"overrides:\nfrida: s2",
	} {
		files = append(files, head+"  "+overrides+"\n")
	}
	for _, key := range []string{"header: \"frida 4711@x.y\"", "keys: [{header: \"frida@x.y\"}]", "keys: [{cookie: \"frida x\"}]", "keys: [{query: \"frida x&\"}]"} {
		files = append(files, "rules:\n- "+key+"\n  tagHeader: tag\n  policies: [{range: 20, tagValue: s2}]\n")
	}
	for _, match := range []string{
		`headers: [{name: x-user-id, exact: "frida\u0001"}]`, `headers: [{name: "frida x", exact: s2}]`, `paths: [{exact: /shop?user=frida}]`, `hosts: ["frida@example.com"]`,
	} {
		files = append(files, head+"  match: {"+match+"}\n")
	}
	return append(files, `{"rules": [{"header": "x-user-id", "tagHeader": "tag", "overrides": [{"values": [`+"\n\"frida\",\n\"frida\""+`], "tagValue": "s2"}], "policies": []}]}`)
}

// TestRedact checks that no problem of a file quotes whom its overrides name, in whatever
// form they stand there and whatever is wrong with them.
func TestRedact(t *testing.T) {
	t.Parallel()
	all := 0
	for _, src := range mistaken() {
		wrong, quoted := leaks(t, src, "frida", "4711")
		all += quoted
		if wrong != nil || quoted == 0 {
			t.Errorf("%q: %d problems quote an id, and redacted they are\n%s", src, quoted, strings.Join(wrong, "\n"))
		}
	}
	if all < 40 {
		t.Errorf("%d problems quote an id before they are redacted: the test shows little", all)
	}
}

// TestRedactAnywhere puts an id in the place of each word of each file that is refused, so
// that it stands wherever something else belongs.
func TestRedactAnywhere(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/err/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatal(files, err)
	}
	quoted := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(src) > 4000 || strings.Contains(file, "aliases") {
			continue // takes long, and is alike
		}
		places := aWord().FindAllIndex(src, 60)
		for i, at := range places {
			id := []string{"frida", "jürgen@example.com", "47110815", "0x4711beef"}[i%4]
			wrong, n := leaks(t, string(src[:at[0]])+id+string(src[at[1]:]), id)
			quoted += n
			if wrong != nil {
				t.Fatalf("%s: the id %s in the place of %q of byte %d is in\n%s", file, id, src[at[0]:at[1]], at[0], strings.Join(wrong, "\n"))
			}
		}
	}
	if quoted < 1000 {
		t.Errorf("%d problems quote an id before they are redacted: the test shows little", quoted)
	}
}

// FuzzRedact checks that no problem of a file without sense has an id that stands in it.
func FuzzRedact(f *testing.F) {
	for _, src := range mistaken() {
		f.Add(src)
	}
	id := regexp.MustCompile(`frida|4711`)
	f.Fuzz(func(t *testing.T, src string) {
		if wrong, _ := leaks(t, id.ReplaceAllString(src, "frida4711"), "frida4711"); wrong != nil {
			t.Errorf("%q: an id is in\n%s", src, strings.Join(wrong, "\n"))
		}
	})
}

// TestRedactSaysWhatIsWrong checks what is left, and that messages about names stay.
func TestRedactSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind                            source.Kind
		message, line, redacted, dotted string
	}{
		{source.KindUnknownKey, `an override has no key "valeus"; did you mean "values"?`, "- valeus: [frida]", `an override has no key "…"; did you mean "values"?`, "- ······: [·····]"},
		{source.KindType, `range is the string "2O"; expected an integer: write 20, without quotes`, `  range: "2O"`, `range is the string "…"; expected an integer: write …, without quotes`, `  range: "··"`},
		{KindOverride, `duplicate value "frida" (first at line 2); remove one`, "    - \"frida: x\"", `duplicate value "…" (first at line 2); remove one`, "    - \"·····: ·\""},
		{KindHeader, `the header "x user" has the character ' '`, "header: x user, overrides: [{values: [jason, bö", `the header "…" has the character ' '`, "header: · ····, overrides: [{values: [·····, ··"},
		{KindMatch, `the value "zorrofrida\u0001" has a control character`, "exact: zorrofrida", `the value "…" has a control character`, "exact: ··········"},
		{KindKey, `the cookie "frida x" has a blank`, "cookie: frida x", `the cookie "…" has a blank`, "cookie: ····· ·"},
		{KindForbiddenHeader, `the tagHeader "via" cannot be set`, "tagHeader: via", `the tagHeader "via" cannot be set`, "tagHeader: ···"},
		{source.KindSyntax, "unknown anchor 'frida' referenced", "*frida", "unknown anchor '…' referenced", "······"},
		{source.KindSyntax, "did not find expected ',' or ']'", "\tvalues:", "did not find expected ',' or ']'", "\tvalues:"},
		{source.KindEmpty, "nothing in it", "", "nothing in it", ""},
	} {
		got := Redact(source.Problem{Kind: tt.kind, Message: tt.message, Source: tt.line})
		if got.Message != tt.redacted || got.Source != tt.dotted {
			t.Errorf("%s\n%s\nis\n%s\n%s\nwant\n%s\n%s", tt.message, tt.line, got.Message, got.Source, tt.redacted, tt.dotted)
		}
	}
}
