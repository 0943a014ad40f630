//go:build !linux

package chaos

import (
	"context"
	"errors"
	"syscall"
	"testing"
)

func exhaustInotify(t *testing.T, _ *syscall.Credential) {
	t.Helper()
	t.Fatal("only Linux has inotify")
}

func inotifyRole(context.Context, []string, func(string)) error {
	return errors.New("only Linux has inotify")
}
