package main

import (
	"log/slog"
	"math"
	"syscall"

	"github.com/tagproc/tagproc/admin"
)

// reserved is how many descriptors gRPC connections never take: those of --admin, and
// 64 for listeners, files, the log, and connections that are closed at once because
// there are too many.
const reserved = admin.MaxConnections + 64

// limitConnections returns the limit of gRPC connections: asked, or less where that
// would leave no descriptors for reloads and --admin.
func limitConnections(log *slog.Logger, asked int, descriptors func() uint64) int {
	limit := descriptors()
	if limit >= uint64(asked+reserved) {
		return asked
	}
	most := max(int(limit)-reserved, int(limit)/2)
	log.Warn("too few file descriptors for --max-connections: raise their limit (ulimit -n, LimitNOFILE=)",
		"limit", limit, "max_connections", asked, "used_instead", most)
	return most
}

// descriptors returns how many file descriptors this process may open. Go has already
// raised the soft limit to the hard one.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxUint64
	}
	return limit.Cur
}
