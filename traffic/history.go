package traffic

import "time"

// windows are the times that are looked back on, and how often samples of each are kept.
// A window is as long as said, and up to one step longer.
var windows = [...]struct{ length, step time.Duration }{
	{time.Minute, 10 * time.Second},
	{5 * time.Minute, time.Minute},
	{time.Hour, 10 * time.Minute},
}

// A history has earlier samples of counters that only rise and wrap around. It keeps at
// most 20 samples.
type history [len(windows)][]sample // oldest first

type sample struct {
	at     time.Time
	counts []uint32
}

// record keeps a copy of counts where one is due. The first call begins every window.
func (h *history) record(now time.Time, counts []uint32) {
	for i, w := range windows {
		kept := h[i]
		if n := len(kept); n > 0 && now.Sub(kept[n-1].at) < w.step {
			continue
		}
		var room []uint32
		if len(kept) > int(w.length/w.step) {
			room = kept[0].counts[:0]
			kept = append(kept[:0], kept[1:]...)
		}
		h[i] = append(kept, sample{now, append(room, counts...)})
	}
}

// since returns how much counts have risen within window i, and how long that is.
func (h *history) since(i int, now time.Time, counts []uint32) ([]uint32, time.Duration) {
	first := h[i][0]
	risen := make([]uint32, len(counts))
	for j := range counts {
		risen[j] = counts[j] - first.counts[j]
	}
	return risen, now.Sub(first.at)
}
