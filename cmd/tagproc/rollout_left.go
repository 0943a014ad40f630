package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/internal/words"
	"github.com/tagproc/tagproc/istio/promotion"
	"github.com/tagproc/tagproc/rollout"
)

// leftAfterPromotion says what is left to do once all users have a tag: by the manifests of
// routes, if there are any.
func leftAfterPromotion(cmd *cobra.Command, after *rollout.File, rule int, tag string, routes []string) (lines []string, err error) {
	header := after.Table().Rules()[rule].TagHeader
	if len(routes) == 0 {
		return []string{
			fmt.Sprintf("Left to do: the baseline gets the new version; then the routes that ask for %s: %s go, then their subsets, then their Deployments", header, tag),
			"(docs/lanes.md, Promotion). --routes FILE, with manifests or lanes, names them.",
		}, nil
	}
	docs, problems := readDocuments(cmd, routes)
	if problems.Err() != nil {
		writeProblems(stderr(cmd), problems)
		return nil, &failure{}
	}
	left, problems := promotion.Of(docs, header, tag)
	writeProblems(stderr(cmd), problems)
	if len(left.NotRead) > 0 {
		lines = append(lines, fmt.Sprintf("Not read, and to be looked at: %s. Only VirtualServices, HTTPRoutes, GRPCRoutes, lanes and Envoy's own configurations are.", strings.Join(left.NotRead, ", ")))
	}
	if left.IsZero() {
		what := "these manifests"
		if len(left.NotRead) > 0 {
			what = "what is read"
		}
		return append(lines, fmt.Sprintf("Nothing in %s asks for %s: %s.", what, header, tag)), nil
	}
	step := 0
	list := func(what string, items []string, more ...string) {
		if len(items) == 0 && len(more) == 0 {
			return
		}
		step++
		lines = append(lines, fmt.Sprintf("%d. %s", step, what))
		for _, item := range items {
			lines = append(lines, "   "+item)
		}
		lines = append(lines, more...)
	}
	lines = append(lines, "Left to do, in this order:")
	list("The baseline, which untagged requests reach, gets the new version.", left.Takers)
	if left.Lanes != nil {
		files := make([]string, 0, len(left.Lanes))
		for _, f := range left.Lanes {
			files = append(files, words.Shell(f))
		}
		first, again := "VirtualServices", "render lanes "+strings.Join(files, " ")
		if left.HTTPRoutes {
			first, again = "HTTPRoutes", "render lanes --routes httproute "+strings.Join(files, " ")+" SERVICES"
		}
		list(fmt.Sprintf("The lane %s goes from %s, and the lanes are rendered again. Apply the %s first.", tag, strings.Join(left.Lanes, ", "), first), nil,
			"   tagproc "+again+" --output-dir DIR")
	}
	list(fmt.Sprintf("These routes ask for %s, or set it, and go.", tag), left.Routes)
	list("These look at the tag header by a pattern: see whether it means "+tag+".", left.Unclear)
	list("Once every Envoy has the routes, these subsets go: no route leads to them.", left.Subsets)
	list("Once Envoy has the routes, these clusters go: no route leads to them.", left.Clusters)
	list("Once every Envoy has the routes, these Services go: no route leads to them.", left.Services)
	of := "subsets"
	if len(left.Subsets) == 0 {
		of = "Services"
	}
	list("Then these Deployments go: their pods are those of the "+of+".", left.Deployments)
	return lines, nil
}
