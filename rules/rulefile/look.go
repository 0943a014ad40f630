package rulefile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/tagproc/tagproc/internal/patience"
	"github.com/tagproc/tagproc/rules"
)

// A version identifies a state of the file: its content, or why it cannot be read.
// No file has the zero version.
type version struct {
	sum     [sha256.Size]byte
	failure string
}

// A snapshot is what one look at the file found.
type snapshot struct {
	version
	src   []byte // nil with a failure
	mount mount
}

// hanging is the failure of a look that did not return.
var hanging = fmt.Sprintf("cannot be read: no answer for %v; the read is given up and tried again: check the volume that holds the file (NFS, FUSE)", patience.Limit)

func failed(message string) snapshot {
	return snapshot{version: version{failure: message}}
}

// look reads the file at path.
func look(path string) snapshot {
	src, mount, err := read(path)
	if err != nil {
		return failed(Unreadable(path, err))
	}
	return snapshot{version: version{sum: sha256.Sum256(src)}, src: src, mount: mount}
}

func read(path string) ([]byte, mount, error) {
	// Without O_NONBLOCK, opening a named pipe waits for somebody to write to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, ordinary, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, ordinary, err
	}
	if !info.Mode().IsRegular() {
		return nil, ordinary, irregularError(info.Mode())
	}
	// One byte too many lets rules.Load see that the file is too large.
	src, err := io.ReadAll(io.LimitReader(f, rules.MaxFileSize+1))
	return src, mountOf(f, path), err
}

// irregularError is the mode of something that is not a regular file.
type irregularError fs.FileMode

func (e irregularError) Error() string {
	switch mode := fs.FileMode(e); {
	case mode.IsDir():
		return "is a directory: name a file in it"
	case mode&fs.ModeNamedPipe != 0:
		return "is a pipe, which can be read only once: name a regular file"
	default:
		return "is not a regular file: name one"
	}
}

// Unreadable returns why the file at path cannot be read and what to do. The text does
// not have the path, because a Problem names its file.
func Unreadable(path string, err error) string {
	var irregular irregularError
	switch {
	case errors.As(err, &irregular):
		return irregular.Error()
	case errors.Is(err, syscall.EISDIR):
		return irregularError(fs.ModeDir).Error()
	case errors.Is(err, fs.ErrNotExist):
		if target, err := os.Readlink(path); err == nil {
			return fmt.Sprintf("is a symbolic link to %q, which does not exist: create that file or correct the link", target)
		}
		return "does not exist: create it or correct the path"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("permission denied: let tagproc's user %d read the file and enter the directories above it", os.Geteuid())
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fmt.Sprintf("cannot be read: %v: check the path and the volume that holds the file", err)
}
