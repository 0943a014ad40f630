package rulefile

import (
	"fmt"
	"time"
)

const (
	debounce    = 50 * time.Millisecond // between two looks that have to agree
	settleLooks = 40                    // looks after which a file that still changes is reported
)

// settle looks at the file and returns what it saw once two successive looks
// agree, or at once if the first one shows the known version or one hangs. It
// pauses between looks and returns false when pause does.
//
// A file that does not come to rest is a failure: the live rules are then not those of
// the file, and somebody must know.
func settle(known version, look func() snapshot, pause func() bool) (snapshot, bool) {
	last := look()
	if last.version == known {
		return last, true
	}
	for range settleLooks {
		if last.failure == hanging { // another look would only hang again
			return last, true
		}
		if !pause() {
			return snapshot{}, false
		}
		next := look()
		if next.version == last.version {
			return next, true
		}
		last = next
	}
	return failed(fmt.Sprintf("did not stop changing for %v: write a new file and rename it over this one", settleLooks*debounce)), true
}
