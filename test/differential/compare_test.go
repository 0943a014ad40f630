package differential

import (
	"fmt"
	"maps"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/echo"
)

// A verdict is what came of a request at both listeners.
type verdict int

const (
	identical          verdict = iota // both passed it, and nobody could tell
	refusedByBoth                     // neither passed it, or neither whole
	refusedByReference                // only tagproc's listener passed it, whose limits are higher
	different                         // what must not be
)

// A passage is what came of a request at one listener: what the client saw, and what
// reached the upstream.
type passage struct {
	outcomes []outcome
	reports  []echo.Report
}

// compare returns the verdict on a request, and for a difference what it is.
func compare(r *request, mode string, reference, ours passage) (verdict, string) {
	result := identical
	for i, o := range ours.outcomes {
		if i >= len(reference.outcomes) {
			return refusedByReference, ""
		}
		if !o.passed() {
			result = refusedByBoth
			if o.Status >= 500 && !reference.outcomes[i].passed() && reference.outcomes[i].Status < 500 {
				return different, fmt.Sprintf("the plain listener refuses it with %s, the one with tagproc with %s", said(reference.outcomes[i]), said(o))
			}
		}
		switch plain := reference.outcomes[i]; {
		case !plain.passed() && o.passed():
			return refusedByReference, ""
		case plain.passed() && !o.passed():
			return different, fmt.Sprintf("the plain listener passes it, the one with tagproc does not: %s", said(o))
		case plain.passed():
			if diff := cmp.Diff(withoutChance(plain, mode), withoutChance(o, mode)); diff != "" {
				return different, "the answer (-plain +with tagproc):\n" + diff
			}
		}
	}
	if len(ours.outcomes) < len(reference.outcomes) {
		return different, fmt.Sprintf("the plain listener gives %d answers, the one with tagproc %d", len(reference.outcomes), len(ours.outcomes))
	}
	if result == refusedByBoth {
		return result, "" // Envoy may have given up on the upstream at any point
	}
	if len(reference.reports) != len(ours.reports) {
		return different, fmt.Sprintf("it reached the upstream %d times through the plain listener, %d times through the one with tagproc", len(reference.reports), len(ours.reports))
	}
	for i := range ours.reports {
		if diff := cmp.Diff(withoutTags(r, mode, reference.reports[i]), withoutTags(r, mode, ours.reports[i])); diff != "" {
			return different, "what reached the upstream (-plain +with tagproc):\n" + diff
		}
	}
	return result, ""
}

// said returns what a client of a refused request saw.
func said(o outcome) string {
	if o.Failure != "" {
		return o.Failure
	}
	return fmt.Sprint("status ", o.Status)
}

// withoutChance returns o without what differs from one request to the next, and
// without the tags.
func withoutChance(o outcome, mode string) outcome {
	o.Headers = maps.Clone(o.Headers)
	if reframes(mode) {
		delete(o.Headers, "content-length")
		delete(o.Headers, "transfer-encoding")
	}
	delete(o.Headers, "date")
	delete(o.Headers, "x-envoy-upstream-service-time")
	delete(o.Headers, strings.ToLower(echo.TagsHeader))
	return o
}

// withoutTags returns what reached the upstream without the tags.
func withoutTags(r *request, mode string, report echo.Report) echo.Report {
	report.Headers = maps.Clone(report.Headers)
	if reframes(mode) {
		delete(report.Headers, "content-length")
		report.Chunked = false
	}
	for name := range report.Headers {
		if owned(name) {
			delete(report.Headers, name)
		}
	}
	delete(report.Headers, echo.Bytes(strings.ToLower(echo.KeepHeader)))
	if !r.has("x-request-id") {
		delete(report.Headers, "x-request-id") // Envoy's own
	}
	return report
}

// reframes reports whether Envoy takes content-length away from bodies that it sends to
// a processor in pieces, since the processor might change them. It does so before it
// knows any reply.
func reframes(mode string) bool { return mode != shipped && mode != "BUFFERED" }

// owned reports whether tagproc and the routes may set a header.
func owned(name echo.Bytes) bool {
	return name == "x-asm-prefer-tag" || strings.HasPrefix(string(name), "appver")
}

// has reports whether the request has a header that is not empty.
func (r *request) has(name string) bool {
	for _, f := range r.Headers {
		if strings.EqualFold(string(f.Name), name) && f.Value != "" {
			return true
		}
	}
	return false
}
