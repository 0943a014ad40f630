package main

import (
	"cmp"
	"fmt"
)

// A goal is a figure that tagproc is to reach.
type goal struct {
	what  string
	limit float64 // the most that reaches it
	unit  string
	got   series
}

func (g goal) met() bool { return g.got.median() <= g.limit }

// goals compares, round by round, and leaves out what was not measured.
func (res *results) goals() (all []goal) {
	if g := res.gateway; g != nil {
		of := func(figures map[cell]series, variant string, connections int) series {
			return figures[cell{variant, connections}]
		}
		const busy = 32 // connections
		none := of(g.envoyCPU, "none", busy)
		all = append(all, goal{
			what:  "CPU that tagproc's rules as Lua add, " + clients(busy),
			limit: 0.15, unit: "× what ext_proc adds",
			got: ratios(differences(of(g.envoyCPU, "rule-lua", busy), none),
				differences(sums(of(g.envoyCPU, "tagproc-unix", busy), of(g.serverCPU, "tagproc-unix", busy)), none)),
		})
		for _, n := range []int{1, busy} {
			all = append(all, goal{
				what:  "p50 of tagproc's rules as Lua, " + clients(n),
				limit: 1.10, unit: "× no filter",
				got: ratios(of(g.p50, "rule-lua", n), of(g.p50, "none", n)),
			})
		}
		for _, via := range []string{"unix", "tcp"} {
			compare := func(server, what string, limit float64, figures map[cell]series, connections int) {
				all = append(all, goal{
					what:  fmt.Sprintf("%s, %s, %s", what, clients(connections), transports[via]),
					limit: limit, unit: "× textbook",
					got: ratios(of(figures, server+"-"+via, connections), of(figures, "textbook-"+via, connections)),
				})
			}
			compare("tagproc", "server CPU per request", 0.65, g.serverCPU, busy)
			compare("tagproc", "Envoy CPU per request", 1.0, g.envoyCPU, busy)
			compare("tagproc", "p50", 0.92, g.p50, 1)
			if via == "unix" {
				compare("tagproc-one", "server CPU per request, GOMAXPROCS=1", 0.52, g.serverCPU, busy)
				compare("tagproc-one", "p50, GOMAXPROCS=1", 0.95, g.p50, 1)
			}
		}
	}
	if g := res.growth; g != nil {
		compare := func(what string, figures map[int]series) {
			all = append(all, goal{
				what:  what + ", 100 rules",
				limit: 3, unit: "× 1 rule",
				got: ratios(g.of(figures, "rules", 100), g.of(figures, "rules", 1)),
			})
		}
		compare("decision without gRPC", g.handler)
		compare("server CPU per request", g.cpu)
	}
	if g := res.start; g != nil {
		all = append(all, goal{"RSS at start", 18, "MiB", g.resident["tagproc"]})
	}
	if g := res.idle; g != nil {
		for _, c := range g.cases {
			if c.streams > 0 {
				all = append(all, goal{fmt.Sprintf("RSS with %d idle streams, GOMEMLIMIT %s", c.streams, cmp.Or(c.limit, "none")), 160, "MiB", g.resident[c]})
			}
		}
	}
	return all
}

// goalSection writes the goals as a table. It shows three digits, so that no figure is
// rounded to its goal.
func goalSection(goals []goal) section {
	t := &table{head: []string{"", "goal", "measured", ""}}
	for _, g := range goals {
		verdict := "not met"
		if g.met() {
			verdict = "met"
		}
		t.add(g.what, fmt.Sprintf("≤ %g %s", g.limit, g.unit), figure(g.got, 3), verdict)
	}
	return section{
		title:  "Goals",
		text:   "Ratios are taken within each round; the median of the rounds decides.",
		tables: []*table{t},
	}
}
