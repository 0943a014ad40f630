package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chartConnections is the number of client connections that the chart shows.
const chartConnections = 32

// headroom is what an axis goes beyond the longest bar, for the legend.
const headroom = 1.15

var (
	envoyColor  = color.RGBA{R: 0x9a, G: 0xa5, B: 0xb1, A: 0xff}
	serverColor = color.RGBA{R: 0x2f, G: 0x6f, B: 0xdb, A: 0xff}
	spreadColor = color.RGBA{R: 0x22, G: 0x22, B: 0x22, A: 0xff}
)

// drawChart writes an SVG file: the CPU of a request on the left, its latency on
// the right, medians with the lowest and the highest round.
func drawChart(path string, f *gatewayFigures) error {
	cpu, err := cpuPlot(f)
	if err != nil {
		return err
	}
	latency, err := latencyPlot(f)
	if err != nil {
		return err
	}
	const width, height = 30 * vg.Centimeter, 9 * vg.Centimeter
	svg := vgsvg.New(width, height)
	canvas := draw.New(svg)
	const half, margin = width * 0.57, 3 * vg.Millimeter // the left one has the names
	cpu.Draw(draw.Crop(canvas, margin, half-width, 0, -margin))
	latency.Draw(draw.Crop(canvas, half, -margin, 0, -margin))

	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	// Where that font is missing, Arial is as wide.
	fonts := []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")
	return os.WriteFile(path, bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans"), fonts), 0o644)
}

func cpuPlot(f *gatewayFigures) (*plot.Plot, error) {
	p := newPlot(fmt.Sprintf("CPU per request at %d connections, µs", chartConnections))
	envoy, err := bars(medians(f.envoyCPU), envoyColor)
	if err != nil {
		return nil, err
	}
	server, err := bars(medians(f.serverCPU), serverColor)
	if err != nil {
		return nil, err
	}
	server.StackOn(envoy)
	both := make(map[cell]series)
	for c := range f.envoyCPU {
		both[c] = f.envoyCPU[c]
		if variantOf(c.variant).server != "" {
			both[c] = sums(f.envoyCPU[c], f.serverCPU[c])
		}
	}
	spread, err := spreads(both, 0)
	if err != nil {
		return nil, err
	}
	p.Add(envoy, server, spread)
	p.Legend.Add("Envoy", envoy)
	p.Legend.Add("server", server)
	p.X.Max *= headroom
	return p, nil
}

func latencyPlot(f *gatewayFigures) (*plot.Plot, error) {
	p := newPlot(fmt.Sprintf("latency at %d connections, µs", chartConnections))
	for i, quantile := range []struct {
		name    string
		figures map[cell]series
		color   color.Color
	}{{"p50", f.p50, serverColor}, {"p99", f.p99, envoyColor}} {
		b, err := bars(medians(quantile.figures), quantile.color)
		if err != nil {
			return nil, err
		}
		b.Width /= 2
		b.Offset = b.Width * vg.Length(0.5-float64(i))
		spread, err := spreads(quantile.figures, b.Offset)
		if err != nil {
			return nil, err
		}
		p.Add(b, spread)
		p.Legend.Add(quantile.name, b)
	}
	for i := range p.Y.Tick.Marker.(plot.ConstantTicks) {
		p.Y.Tick.Marker.(plot.ConstantTicks)[i].Label = "" // the names stand on the left
	}
	p.X.Max *= headroom
	return p, nil
}

// newPlot is empty, with a place for each variant, the first one on top.
func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = 2 * vg.Millimeter
	p.X.Min = 0
	p.Legend.Top = true
	for _, style := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font} {
		style.Variant = "Sans"
	}
	var names []string
	for _, v := range slices.Backward(variants) {
		names = append(names, v.title)
	}
	p.NominalY(names...)
	p.X.Padding, p.Y.Padding = 0, 4*vg.Millimeter
	return p
}

// medians are of the variants, the last one first.
func medians(figures map[cell]series) (all plotter.Values) {
	for _, v := range slices.Backward(variants) {
		all = append(all, figures[cell{v.id, chartConnections}].median())
	}
	return all
}

func bars(values plotter.Values, c color.Color) (*plotter.BarChart, error) {
	b, err := plotter.NewBarChart(values, 5*vg.Millimeter)
	if err != nil {
		return nil, err
	}
	b.Horizontal = true
	b.Color = c
	b.LineStyle.Width = 0
	return b, nil
}

// spreads are lines from the lowest to the highest value.
func spreads(figures map[cell]series, offset vg.Length) (plot.Plotter, error) {
	var points struct {
		plotter.XYs
		plotter.XErrors
	}
	for i, v := range slices.Backward(variants) {
		s := figures[cell{v.id, chartConnections}]
		m := s.median()
		points.XYs = append(points.XYs, plotter.XY{X: m, Y: float64(len(variants) - 1 - i)})
		points.XErrors = append(points.XErrors, struct{ Low, High float64 }{m - slices.Min(s), slices.Max(s) - m})
	}
	bars, err := plotter.NewXErrorBars(points)
	if err != nil {
		return nil, err
	}
	bars.Color = spreadColor
	bars.CapWidth = 2 * vg.Millimeter
	return shifted{bars, offset}, nil
}

// shifted draws a plotter higher, as Offset does for bars.
type shifted struct {
	plot.Plotter
	by vg.Length
}

// Plot draws on a canvas that was moved.
func (s shifted) Plot(c draw.Canvas, p *plot.Plot) {
	c.Min.Y += s.by
	c.Max.Y += s.by
	s.Plotter.Plot(c, p)
}
