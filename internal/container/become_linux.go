package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Become turns this process into the one that Write wrote to a file, with more
// arguments. It does not return unless there is an error, and has to be called on
// a locked thread.
func Become(file string, more ...string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var p Process
	if err := json.Unmarshal(b, &p); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	p.Args = append(p.Args, more...)
	if p.Namespace != "" {
		if err := enter(p.Namespace); err != nil {
			return err
		}
	}
	if p.Hostname != "" {
		if err := p.rename(); err != nil {
			return err
		}
	}
	if !p.Joins {
		if err := p.fill(); err != nil {
			return err
		}
	}
	if err := unix.Chroot(p.Root); err != nil {
		return fmt.Errorf("couldn't change the root to %s: %w", p.Root, err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Exec(p.Args[0], p.Args, p.Env); err != nil {
		return fmt.Errorf("couldn't run %s: %w", p.Args[0], err)
	}
	return nil
}

func enter(namespace string) error {
	file, err := os.Open(namespace)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("couldn't enter %s: %w", namespace, err)
	}
	return nil
}

// rename gives this thread a name of the machine that nobody else has.
func (p *Process) rename() error {
	if err := errors.Join(unix.Unshare(unix.CLONE_NEWUTS), unix.Sethostname([]byte(p.Hostname))); err != nil {
		return fmt.Errorf("couldn't have a hostname of its own: %w", err)
	}
	return nil
}

// fill makes the container's files, in mounts that nobody else sees and that end
// with the program.
func (p *Process) fill() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("couldn't have mounts of its own: %w", err)
	}
	if err := unix.Mount("tmpfs", p.Root, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("couldn't mount %s: %w", p.Root, err)
	}
	for _, m := range p.Mounts {
		if err := m.bind(p.Root); err != nil {
			return fmt.Errorf("couldn't mount %s at %s: %w", m.Source, m.Target, err)
		}
	}
	if p.ReadOnly {
		return readOnly(p.Root, 0)
	}
	return nil
}

func (m *Mount) bind(root string) error {
	info, err := os.Lstat(m.Source)
	if err != nil {
		return err
	}
	target := filepath.Join(root, m.Target)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(m.Source)
		if err != nil {
			return err
		}
		return os.Symlink(to, target)
	case info.IsDir():
		err = os.MkdirAll(target, 0o755)
	default:
		err = create(target)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := unix.Mount(m.Source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if m.ReadOnly {
		return readOnly(target, unix.AT_RECURSIVE)
	}
	return nil
}

// create makes an empty file, and never empties one that is there: below a directory
// that is mounted, it is one of the machine's.
func create(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// readOnly leaves the other flags of a mount as they are: some cannot be taken off
// by who did not set them.
func readOnly(path string, flags uint) error {
	if err := unix.MountSetattr(-1, path, flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("couldn't make %s read-only: %w", path, err)
	}
	return nil
}
