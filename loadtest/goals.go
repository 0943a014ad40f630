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
		for _, via := range []string{"unix", "tcp"} {
			compare := func(what string, limit float64, figures map[cell]series, connections int) {
				all = append(all, goal{
					what:  fmt.Sprintf("%s, %s, %s", what, clients(connections), transports[via]),
					limit: limit, unit: "× textbook",
					got: ratios(figures[cell{"tagproc-" + via, connections}], figures[cell{"textbook-" + via, connections}]),
				})
			}
			compare("server CPU per request", 0.70, g.serverCPU, 32)
			compare("Envoy CPU per request", 1.0, g.envoyCPU, 32)
			compare("p50", 0.92, g.p50, 1)
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
