package chaos

import (
	"fmt"
	"testing"
)

// goodReloads replaces the rules n times, each time with other tags for everybody.
func goodReloads(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	socket, file := b.socket(t), b.rulesFile(t)
	b.startGateway(t, []string{socket})
	p := b.start(t, command{rulesFile: file, listen: []string{"unix://" + socket}})
	l := b.startLoad(t, b.rate, "")
	l.awaitTags(t, 10)
	for i := 1; i <= n; i++ {
		b.live.next(i)
		replaceFile(t, file, generation(i))
		eventually(t, fmt.Sprintf("generation %d is live", i), func() bool { return p.serves(t, generation(i)) })
		b.live.settled(i)
		l.awaitAnswers(t, 5)
	}
	f.count(summarize(l.stop()))
	f.noneFailed()
	f.noneUntagged()
	f.exactly("reloads", int(p.metric(t, `tagproc_config_loads_total\{result="success"\}`)), n+1)
}
