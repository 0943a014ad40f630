package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// exhaustInotify takes every inotify instance that a user may have, until the test
// ends.
func exhaustInotify(t *testing.T, of *syscall.Credential) {
	t.Helper()
	recruit(t, "inotify", strconv.Itoa(int(of.Uid)))
}

// inotifyRole takes the inotify instances of a user until there is none left, and
// says how many it has.
func inotifyRole(ctx context.Context, args []string, say func(string)) error {
	uid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := syscall.Setuid(uid); err != nil {
		return err
	}
	most, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
	if err != nil {
		return err
	}
	for held := 0; ; held++ { // until the process ends
		_, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if errors.Is(err, unix.EMFILE) && strconv.Itoa(held) == strings.TrimSpace(string(most)) {
			say(strconv.Itoa(held))
			<-ctx.Done()
			say("done")
			return nil
		}
		if err != nil {
			return fmt.Errorf("user %d has %d instances of inotify and may have %s: %w", uid, held, most, err)
		}
	}
}
