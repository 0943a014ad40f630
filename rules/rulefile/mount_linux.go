package rulefile

import (
	"os"

	"golang.org/x/sys/unix"
)

// mountOf returns how f, which was opened at path, is mounted.
func mountOf(f *os.File, path string) mount {
	var opened, there unix.Statx_t
	const mask = unix.STATX_INO | unix.STATX_NLINK
	if unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, mask, &opened) != nil {
		return ordinary // an old system
	}
	// A file that loses its name while it is read is no longer the file at path.
	if opened.Nlink == 0 && unix.Statx(unix.AT_FDCWD, path, 0, mask, &there) == nil &&
		there.Ino == opened.Ino && there.Dev_major == opened.Dev_major && there.Dev_minor == opened.Dev_minor {
		return nameless
	}
	if opened.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return alone
	}
	return ordinary
}
