package page

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestStates looks at the page in each state, narrow and wide, light and dark.
func TestStates(t *testing.T) {
	says := map[string][]string{
		"no-rules":         {"Not ready: there are no good rules yet.", "No rules."},
		"refused-at-start": {"there are no good rules, and requests pass untagged", "{range: ", "^"},
		"disagree":         {"Not all replicas agree: 1 of 3 has 58b34286a4ea4d5b.", "Do all replicas agree?", "10.0.0.1:9090, this one", "10.0.0.2:9090", "3s behind", "s2 10% instead of 20%", "no answer in time", "another one may answer otherwise"},
		"well":             {"All is well.", "tagproc status", "Shares of the requests are as expected in 2 rules", "25% now, 50% from", "3 hours ago", "in the place of checkout, who would move", "within"},
		"refused":          {"The rules file is refused since", "rules.yaml:9:", "{range: ", "^", "tagproc validate rules.yaml", "the rules before it stay live"},
		"many":             {"experiment-0", "experiment-199"},
		"long-names":       {"long-checkout"},
		"due-now":          {"50% now, 100% from", ", 0 seconds ago"},
		"stopping":         {"Not ready: draining."},
	}
	for name, enter := range states {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t)
			enter(r)
			for _, width := range []int{360, 1280} {
				for _, dark := range []bool{false, true} {
					b := newTab(t, width, dark)
					b.open(r.server.URL)
					for _, fault := range b.faults() {
						t.Errorf("%d pixels wide, dark %v: %s", width, dark, fault)
					}
					b.has(says[name]...)
				}
			}
		})
	}
}

// TestOneRequest checks that what is painted first needs one request.
func TestOneRequest(t *testing.T) {
	r := newReplica(t)
	states["well"](r)
	b := newTab(t, 1280, false)
	b.open(r.server.URL)
	b.await(`document.readyState === "complete" && performance.getEntriesByName("first-contentful-paint").length === 1`)
	first := read[float64](b, `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
	others := read[[]string](b, `performance.getEntriesByType("resource").map(e => e.name)`)
	if got := r.asked(); !slices.Equal(got, []string{"GET /"}) || len(others) > 0 {
		t.Errorf("painted after %.0f ms, the page asked for %q and %q, want itself alone", first, got, others)
	}
}

// TestWithoutJavaScript reads the page, and asks both of its forms.
func TestWithoutJavaScript(t *testing.T) {
	r := newReplica(t)
	states["well"](r)
	b := newTab(t, 1280, false)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open(r.server.URL)
	b.has("All is well.", "reload the page for a newer state", "expected")
	b.submit("#request", "x-user-id: jack\n:authority: shop.example.com", "#link")
	b.has("checkout: bucket 2", "x-asm-prefer-tag: s2", "A link to this question")
	b.submit("#share", "40%", "[data-copy]")
	b.has("Who would move: 20%", "tagproc rollout set rules.yaml --rule checkout s2=40%", "- {range: 40, tagValue: s2}")
}

// TestKeyboard asks and supposes by keys alone.
func TestKeyboard(t *testing.T) {
	r := newReplica(t)
	states["well"](r)
	b := newTab(t, 1280, false)
	b.open(r.server.URL)
	to := func(id string) {
		t.Helper()
		for range 300 {
			b.do(chromedp.KeyEvent(kb.Tab))
			if read[bool](b, `document.activeElement.matches("`+id+`")`) {
				return
			}
		}
		t.Fatalf("no Tab leads to %s", id)
	}
	to("#drag input")
	seen := read[bool](b, `getComputedStyle(document.activeElement).outlineStyle !== "none"`)
	if !seen {
		t.Error("the focus cannot be seen")
	}
	for range 5 {
		b.do(chromedp.KeyEvent(kb.ArrowRight))
	}
	b.await(`document.getElementById("effect").innerText.includes("s2=25%")`)
	b.has("Who would move: 5%")
	if !read[bool](b, `document.activeElement.matches("#drag input")`) {
		t.Error("the answer takes the focus away")
	}
	b.open(r.server.URL)
	to("#request")
	b.do(chromedp.KeyEvent("jack"+kb.Tab+kb.Tab+kb.Enter), chromedp.WaitReady(chromedp.CSS("#link")))
	b.has("price: bucket")
}

// TestMouse drags the boundary of a tag, and lets go.
func TestMouse(t *testing.T) {
	r := newReplica(t)
	states["well"](r)
	b := newTab(t, 1280, false)
	b.open(r.server.URL)
	b.await(`document.querySelector("#drag input")?.checkVisibility()`)
	// The thumb is 16 pixels wide, and within the track.
	at := func(bucket float64) (x, y float64) {
		t.Helper()
		place := read[[]float64](b, `(r => [r.x, r.y, r.width, r.height])(document.querySelector("#drag input").getBoundingClientRect())`)
		return place[0] + 8 + (place[2]-16)*bucket/100, place[1] + place[3]/2
	}
	mouse := func(kind input.DispatchMouseEventType, bucket float64) {
		t.Helper()
		x, y := at(bucket)
		call(b, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: x, Y: y, Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1})
	}
	// What is above may grow while it is renewed: then the mouse misses the thumb.
	for end := time.Now().Add(patience); time.Now().Before(end); {
		read[bool](b, `document.querySelector("#drag input").scrollIntoView({block: "center"}), true`)
		mouse(input.DispatchMouseEventTypeMousePressed, 20)
		for _, bucket := range []float64{25, 30, 40} {
			mouse(input.DispatchMouseEventTypeMouseMoved, bucket)
		}
		mouse(input.DispatchMouseEventTypeMouseReleased, 40)
		if read[string](b, `document.getElementById("share").value`) == "40%" {
			break
		}
	}
	b.await(`document.getElementById("share").value === "40%"`)
	b.await(`document.getElementById("effect").innerText.includes("s2=40%")`)
	b.has("Who would move: 20%", "tagproc rollout set rules.yaml --rule checkout s2=40%")
}

// TestLink opens a link to a question. The request is in no address that a server sees.
func TestLink(t *testing.T) {
	r := newReplica(t)
	states["well"](r)
	b := newTab(t, 1280, false)
	b.open(r.server.URL)
	b.submit("#request", "frida", "#link")
	link := read[string](b, `document.getElementById("link").href`)
	c := newTab(t, 360, true)
	c.open(link)
	c.await(`document.getElementById("link")`)
	c.has("frida", "rule checkout")
	for _, fault := range c.faults() {
		t.Error(fault)
	}
	if asked := r.asked(); slices.ContainsFunc(asked, func(target string) bool { return strings.Contains(target, "frida") }) {
		t.Errorf("the request stands in an address: %q", asked)
	}
}

// TestLive has the rules change while somebody types, and the replica go.
func TestLive(t *testing.T) {
	r := newReplica(t)
	r.load(shop)
	b := newTab(t, 1280, false)
	b.open(r.server.URL)
	b.do(chromedp.SendKeys(chromedp.CSS("#request"), "jack"))
	read[bool](b, `document.querySelector("details").open = true`)
	r.load(strings.Replace(shop, "range: 20", "range: 15", 1))
	b.await(`document.getElementById("state").innerText.includes("0 to 14")`)
	if kept := read[[]bool](b, `[document.activeElement.id === "request", document.getElementById("request").value === "jack", document.querySelector("details").open]`); slices.Contains(kept, false) {
		t.Errorf("after news the focus, the text, and what is open are kept: %v", kept)
	}
	r.load(strings.Replace(shop, "range: 20", "range: 120", 1))
	b.await(`document.title === "! tagproc"`)
	r.server.CloseClientConnections()
	r.server.Listener.Close()
	b.await(`document.getElementById("live").innerText.includes("does not answer since")`)
}

// TestPrint checks that paper has the rules and no form.
func TestPrint(t *testing.T) {
	r := newReplica(t)
	states["well"](r)
	b := newTab(t, 1280, false)
	b.open(r.server.URL)
	b.media("print", false)
	b.has("checkout", "What changed?")
	if read[bool](b, `[...document.querySelectorAll("form, #live, #effect")].some(e => e.checkVisibility())`) {
		t.Error("a form is printed")
	}
	if paper := get(b, chromedp.PrintToPDF()); len(paper) < 1000 {
		t.Errorf("the PDF has %d bytes", len(paper))
	}
}
