package child

import (
	"os"
	"syscall"
)

// WriteExecutable writes a program that this process is to run. A child that another
// goroutine starts meanwhile would have the file open for writing until its own program
// runs, and the kernel runs no such file: "text file busy". So no child starts meanwhile.
func WriteExecutable(path string, program []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, program, 0o755)
}
