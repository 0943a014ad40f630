package rulefile

import (
	"os"
	"strings"
)

// A step changes the file, and says the state that must be applied then; ""
// for none.
type step struct {
	do   func(p place)
	want string
}

// The ways in which a rules file changes.
var changes = []struct {
	name  string
	steps []step
	polls bool // found by polling only
}{
	{
		name: "written in place",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write(tagging("v2")) }, "v2"},
			{func(p place) { p.write(tagging("v2")) }, ""},
			{func(p place) { p.write(tagging("v3")) }, "v3"},
		},
	},
	{
		name: "renamed over",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.replace(tagging("v2")) }, "v2"},
			{func(p place) { p.replace(tagging("v2")) }, ""},
			{func(p place) { p.replace(tagging("v3")) }, "v3"},
		},
	},
	{
		name: "an editor that keeps a backup",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) {
				p.must(os.Rename(p.file(), p.path("rules.yaml~")))
				p.write(tagging("v2"))
			}, "v2"},
			{func(p place) { p.must(os.Rename(p.path("rules.yaml~"), p.file())) }, "v1"},
		},
	},
	{
		name: "ConfigMap",
		steps: []step{
			{func(p place) { p.mount("..2026_a", tagging("v1")) }, "v1"},
			{func(p place) { p.mount("..2026_b", tagging("v2")) }, "v2"},
			{func(p place) { p.mount("..2026_c", tagging("v2")) }, ""},
			{func(p place) { p.mount("..2026_d", tagging("v3")) }, "v3"},
		},
	},
	{
		name: "deleted and back",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.remove() }, "unreadable"},
			{func(p place) { p.replace(tagging("v1")) }, "v1"},
		},
	},
	{
		name: "missing at first",
		steps: []step{
			{func(place) {}, "unreadable"},
			{func(p place) { p.write(tagging("v1")) }, "v1"},
		},
	},
	{
		name: "emptied",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write("") }, "empty-file"},
			{func(p place) { p.write(tagging("v1")) }, "v1"},
		},
	},
	{
		name: "too large",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write(strings.Repeat("# filler\n", 2<<20/9)) }, "too-large"},
			{func(p place) { p.write(tagging("v2")) }, "v2"},
		},
	},
	{
		name: "binary",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write("\x7fELF\x02\x01\x01\x00\xff\xfe") }, "encoding"},
			{func(p place) { p.write(tagging("v2")) }, "v2"},
		},
	},
	{
		name: "a directory in its place",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) {
				p.remove()
				p.must(os.Mkdir(p.file(), 0o755))
			}, "unreadable"},
			{func(p place) {
				p.remove()
				p.write(tagging("v1"))
			}, "v1"},
		},
	},
	{
		name: "a dangling link in its place",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.link("later.yaml") }, "unreadable"},
			{func(p place) { p.must(os.WriteFile(p.path("later.yaml"), []byte(tagging("v2")), 0o644)) }, "v2"},
		},
	},
	{
		name: "broken, fixed",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write("rules: [") }, "yaml-syntax"},
			{func(p place) { p.write("rules: [") }, ""},
			{func(p place) { p.write("roles: []") }, "unknown-key"},
			{func(p place) { p.write(tagging("v2")) }, "v2"},
		},
	},
	{
		name: "broken, put back",
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.write("rules: [") }, "yaml-syntax"},
			{func(p place) { p.write(tagging("v1")) }, "v1"},
		},
	},
	{
		name:  "the directory deleted and made again",
		polls: true,
		steps: []step{
			{func(p place) { p.write(tagging("v1")) }, "v1"},
			{func(p place) { p.must(os.RemoveAll(p.dir)) }, "unreadable"},
			{func(p place) {
				p.must(os.Mkdir(p.dir, 0o755))
				p.write(tagging("v1"))
			}, "v1"},
		},
	},
	{
		name:  "a link to a file elsewhere",
		polls: true,
		steps: []step{
			{func(p place) {
				p.must(os.Mkdir(p.path("real"), 0o755))
				p.must(os.WriteFile(p.path("real/r.yaml"), []byte(tagging("v1")), 0o644))
				p.link("real/r.yaml")
			}, "v1"},
			{func(p place) { p.must(os.WriteFile(p.path("real/r.yaml"), []byte(tagging("v2")), 0o644)) }, "v2"},
		},
	},
}
