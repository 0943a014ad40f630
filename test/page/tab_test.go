package page

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience is how long anything may take on a machine that is busy.
const patience = 2 * time.Minute

// A tab is one of the browser.
type tab struct {
	*testing.T
	ctx context.Context
}

// newTab opens a tab. What its console complains about fails the test.
func newTab(t *testing.T, width int, dark bool) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(chromium)
	b := &tab{T: t, ctx: ctx}
	console := chromedp.Console(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for m, err := range console {
			// A replica that is gone is a test of its own.
			if err == nil && !strings.Contains(m.Text, "net::ERR_") {
				t.Errorf("the console says: %s", m)
			}
		}
	})
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // fails only if the browser has gone
		closeTab()
		listening.Wait()
	})
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: int64(width), Height: 800, DeviceScaleFactor: 1})
	b.media("", dark)
	return b
}

// media has the page drawn for a medium.
func (b *tab) media(medium string, dark bool) {
	b.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// call sends a command to the browser.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.Fatal(err)
	}
}

// do carries out actions.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// get carries out an action and returns what it yields.
func get[V any](b *tab, action chromedp.Action[V]) V {
	b.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// read returns what an expression of JavaScript is. It is evaluated from outside: the policy
// of the page keeps the page itself from that.
func read[V any](b *tab, expression string) V {
	b.Helper()
	return get(b, chromedp.Evaluate[V](expression, chromedp.EvalAwaitPromise))
}

// await waits until an expression of JavaScript is true, over navigations.
func (b *tab) await(expression string) {
	b.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ctx, stop := context.WithTimeout(b.ctx, patience)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		stop()
		if err == nil && ok {
			return
		}
	}
	b.Fatalf("%s stays false; the page reads:\n%s", expression, b.text())
}

// open opens a page of a replica.
func (b *tab) open(address string) {
	b.Helper()
	b.do(chromedp.Navigate(address))
}

// submit fills a field, sends its form, and waits for what the answer has.
func (b *tab) submit(field, value, answer string) {
	b.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(field), value), chromedp.Submit(chromedp.CSS(field)), chromedp.WaitReady(chromedp.CSS(answer)))
}

// text returns what people read.
func (b *tab) text() string { return read[string](b, "document.body.innerText") }

// has checks that the page says all of some texts.
func (b *tab) has(texts ...string) {
	b.Helper()
	is := b.text()
	for _, want := range texts {
		if !strings.Contains(is, want) {
			b.Errorf("the page does not say %q:\n%s", want, is)
		}
	}
}

// faults returns what axe-core and a look at the width find.
func (b *tab) faults() (all []string) {
	b.Helper()
	read[chromedp.Void](b, axe+"; undefined")
	all = read[[]string](b, `axe.run().then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html.slice(0, 120)).slice(0, 3).join(" | ")))`)
	if wide := read[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
		all = append(all, fmt.Sprintf("the page is %d pixels wider than the window", wide))
	}
	return all
}
