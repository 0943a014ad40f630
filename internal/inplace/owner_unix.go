//go:build unix

package inplace

import (
	"fmt"
	"os"
	"syscall"
)

// own gives f the owner and the group of another file.
func own(f *os.File, other os.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	want, ok := other.Sys().(*syscall.Stat_t)
	is, also := info.Sys().(*syscall.Stat_t)
	if !ok || !also || want.Uid == is.Uid && want.Gid == is.Gid {
		return nil
	}
	if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
		return fmt.Errorf("the file belongs to user %d and group %d, which only they or root can keep: %w", want.Uid, want.Gid, bare(err))
	}
	return nil
}
