package simulation

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tagproc/tagproc/internal/words"
)

// Measures of a chart in pixels. A percent is perPercent wide, and 0% is at left.
const (
	chartWidth = 760
	left       = 150
	perPercent = 4
	lineHeight = 26
)

// chartHead has the colours, of a bright page and of a dark one. The background is the
// page's.
const chartHead = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img" aria-labelledby="t">
<title id="t">%[3]s</title>
<style>
text { font: 13px ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.rule { font-weight: 600 }
.quiet { fill: #59636e }
.expected { fill: #0969da }
.uneven { fill: #bf8700 }
.skewed { fill: #cf222e }
.all { fill: #59636e; fill-opacity: .15 }
.mark, .range { stroke: #1f2328; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.quiet { fill: #9198a1 }
.expected { fill: #79c0ff }
.uneven { fill: #e3b341 }
.skewed { fill: #ff7b72 }
.mark, .range { stroke: #e6edf3 }
}
</style>
`

// Chart returns r as a picture in SVG: for each tag a bar of the observed share, a mark at
// the expected one, and the interval. ids says whose ids were counted.
func Chart(ids string, r *Report) []byte {
	var b []byte
	p := func(format string, args ...any) {
		for i, a := range args {
			if s, ok := a.(string); ok {
				args[i] = html.EscapeString(printable(s))
			}
		}
		b = fmt.Appendf(b, format, args...)
	}
	height := 2 * lineHeight
	for _, rule := range r.Rules {
		height += (len(rule.Shares) + 2) * lineHeight
	}
	title := fmt.Sprintf("%s: %s", ids, words.Count(r.People, "person", "people"))
	p(chartHead, chartWidth, height, title)
	p("<text class=\"rule\" x=\"10\" y=\"20\">%s</text>\n", title)
	p("<text class=\"quiet\" x=\"10\" y=\"38\">bar: observed share; long mark: expected; line: interval</text>\n")
	y := 2 * lineHeight
	x := func(percent float64) float64 { return left + perPercent*percent }
	for _, rule := range r.Rules {
		p("<text class=\"rule\" x=\"10\" y=\"%d\">rule %s</text>\n", y+20, rule.Name)
		y += lineHeight
		for _, s := range rule.Shares {
			p("<text x=\"10\" y=\"%d\">%s</text>\n", y+17, shortened(words.Tag(s.Tag)))
			p("<rect class=\"all\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"16\"/>\n", left, y+4, 100*perPercent)
			p("<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.2f\" height=\"16\"/>\n", string(s.Verdict), left, y+4, perPercent*s.Observed)
			p("<line class=\"range\" x1=\"%.2f\" y1=\"%[3]d\" x2=\"%.2[2]f\" y2=\"%[3]d\"/>\n", x(s.Low), x(s.High), y+12)
			p("<line class=\"mark\" x1=\"%.2f\" y1=\"%d\" x2=\"%.2[1]f\" y2=\"%[3]d\"/>\n", x(s.Expected), y+1, y+23)
			p("<text class=\"quiet\" x=\"%d\" y=\"%d\">%s</text>\n", left+100*perPercent+10, y+17, fmt.Sprintf("%.3f%% of %.3f%%", s.Observed, s.Expected))
			y += lineHeight
		}
		y += lineHeight
	}
	p("</svg>\n")
	return b
}

// printable returns text without what no XML may have.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// shortened keeps a tag from running into its bar.
func shortened(tag string) string {
	const most = 18
	if r := []rune(tag); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return tag
}
