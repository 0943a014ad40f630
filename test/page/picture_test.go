package page

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPictures takes the pictures of docs/, and with -every those of each state.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("no -pictures DIR is given: make pictures does")
	}
	take := func(state, name string, width int, dark bool) {
		t.Helper()
		r := newReplica(t)
		states[state](r)
		b := newTab(t, width, dark)
		b.open(r.server.URL)
		small, err := shrink(get(b, chromedp.FullScreenshot(100)))
		if err == nil {
			err = os.WriteFile(filepath.Join(*pictures, name+".png"), small, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !*every {
		take("well", "page", 900, false)
		take("refused", "page-refused", 900, true)
		return
	}
	for state := range states {
		t.Run(state, func(*testing.T) {
			take(state, state, 900, false)
			take(state, state+"-dark", 900, true)
			take(state, state+"-narrow", 360, false)
		})
	}
}

// shrink returns a picture in the 256 most frequent of its colours that differ visibly.
func shrink(picture []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	counts := map[color.Color]int{}
	bounds := full.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			counts[full.At(x, y)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return cmp.Compare(counts[b], counts[a]) })
	var palette color.Palette
	for _, c := range frequent {
		if len(palette) < 256 && !slices.ContainsFunc(palette, func(p color.Color) bool { return alike(p, c) }) {
			palette = append(palette, c)
		}
	}
	small := image.NewPaletted(bounds, palette)
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			small.Set(x, y, full.At(x, y))
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small)
	return out.Bytes(), err
}

// alike reports whether two colours differ by less than 3% in each part.
func alike(a, b color.Color) bool {
	const most = 0xffff * 3 / 100
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	near := func(a, b uint32) bool { return max(a, b)-min(a, b) < most }
	return near(ar, br) && near(ag, bg) && near(ab, bb)
}
