package chaos

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// fileRows are what happens to rules files.
var fileRows = []row{
	{name: "broken rules files", full: 300, short: len(brokenFiles), unit: "files", envoys: current, run: breakFiles},
	{name: "rules written, renamed and swapped", full: 300, short: 2 * len(changes), unit: "changes", envoys: current, run: changeFiles},
	{name: "the same with inotify exhausted", full: 300, short: len(changes), unit: "changes", envoys: current, run: changeFilesUnseen},
}

const (
	failureLimit = 2 * time.Second         // until the gauge says that a file is broken
	changeLimit  = 1200 * time.Millisecond // until new rules are live
)

// breakFiles puts n broken files in the place of the rules file, each followed by
// the good one again. Its rules never change, so no answer may.
func breakFiles(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	files, p, l := startFiles(t, b, stranger(t))
	successful := func() float64 { return p.metric(t, "tagproc_config_last_reload_successful") }
	var slowest time.Duration
	unready, replaced := 0, 0
	for i := range n {
		broken := brokenFiles[i%len(brokenFiles)]
		broken.put(files, i/len(brokenFiles))
		start := time.Now()
		eventually(t, "the gauge says failed: "+broken.name, func() bool { return successful() == 0 })
		slowest = max(slowest, time.Since(start))
		l.awaitAnswers(t, 5)
		if _, err := p.get("/readyz"); err != nil {
			unready++
			t.Logf("%s: %v", broken.name, err)
		}
		if !p.serves(t, generation(0)) {
			replaced++
			t.Logf("%s: the last good rules are not live", broken.name)
		}
		files.remove()
		files.rename(generation(0))
		eventually(t, "the good rules are back after: "+broken.name, func() bool {
			return successful() == 1 && p.serves(t, generation(0))
		})
	}
	s := summarize(l.stop())
	f.count(s)
	f.exactly("non-200", s.non200, 0)
	f.exactly("untagged", s.untagged, 0)
	f.exactly("not ready", unready, 0)
	f.exactly("last good rules not live", replaced, 0)
	f.within("gauge says failed after", slowest, failureLimit)
}

// changeFiles puts n generations of rules into place, in every way in turn.
func changeFiles(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	changeAll(t, b, f, n, stranger(t), changes)
}

// changeFilesUnseen does the same while the user whom tagproc runs as has no
// instance of inotify left.
func changeFilesUnseen(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	as := stranger(t)
	if as == nil {
		const reason = "inotify is not exhausted, which would take root, or harm other programs of this user: " +
			"instead the file is behind a link, where it makes no events"
		t.Log(reason)
		f.note("without root", reason)
		changeAll(t, b, f, n, nil, []change{behindLink})
		return
	}
	exhaustInotify(t, as)
	p := changeAll(t, b, f, n, as, changes)
	f.check("changes found by", strings.Contains(p.log.String(), "changes are found by polling only"), "polling only", "polling only")
}

// changeAll puts n generations of rules into place and waits for each to be live.
func changeAll(t *testing.T, b *bed, f *findings, n int, as *syscall.Credential, ways []change) *tagproc {
	t.Helper()
	files, p, l := startFiles(t, b, as)
	var took []time.Duration
	for i := 1; i <= n; i++ {
		b.live.next(i)
		ways[(i-1)%len(ways)](files, i)
		start := time.Now()
		eventually(t, "generation "+strconv.Itoa(i)+" is live", func() bool { return p.serves(t, generation(i)) })
		took = append(took, time.Since(start))
		b.live.settled(i)
		l.awaitAnswers(t, 5)
	}
	s := summarize(l.stop())
	f.count(s)
	f.exactly("non-200", s.non200, 0)
	f.exactly("untagged", s.untagged, 0)
	slices.Sort(took)
	f.within("live after, at most", took[n-1], changeLimit)
	f.note("p99", milliseconds(took[n*99/100]))
	return p
}

// startFiles runs tagproc as a user, nil being that of the test, behind a gateway
// with a load. The rules are those of generation 0.
func startFiles(t *testing.T, b *bed, as *syscall.Credential) (*rulesFiles, *tagproc, *load) {
	t.Helper()
	socket := b.socket(t)
	files := &rulesFiles{t: t, dir: b.tempDir(t)}
	if as != nil {
		giveTo(t, as, files.dir)
		giveTo(t, as, filepath.Dir(socket))
	}
	files.rename(generation(0))
	b.startGateway(t, []string{socket})
	p := b.start(t, command{rulesFile: files.rules(), listen: []string{"unix://" + socket}, as: as})
	l := b.startLoad(t, b.rate, "")
	l.awaitTags(t, 10)
	return files, p, l
}

// stranger returns a user that runs nothing else on this machine: permissions apply to
// it, and its inotify instances can be used up. Only root can start processes as
// another user; else it is nil, and permissions apply to the test itself.
func stranger(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	if err := os.Chmod(binaries, 0o711); err != nil { // the stranger has to start one
		t.Fatal(err)
	}
	id := uint32(60_000 + (os.Getpid()*16+int(strangers.Add(1)))%5000)
	return &syscall.Credential{Uid: id, Gid: id}
}

var strangers atomic.Int32

// giveTo makes a directory a user's.
func giveTo(t *testing.T, as *syscall.Credential, dir string) {
	t.Helper()
	if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
		t.Fatal(err)
	}
}
