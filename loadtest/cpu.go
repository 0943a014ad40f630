package main

import (
	"time"

	"github.com/tagproc/tagproc/internal/machine"
)

// A cpuMeter tells how much CPU Envoy and a server used since it was started.
type cpuMeter struct {
	pids [2]int // Envoy's and the server's; 0: there is none
	from [2]time.Duration
}

// startCPU starts a meter of the Envoy with this process id, or 0, and of the
// server, or nil.
func startCPU(envoy int, s *server) (*cpuMeter, error) {
	m := &cpuMeter{pids: [2]int{envoy}}
	if s != nil {
		m.pids[1] = s.pid()
	}
	var err error
	m.from, err = m.read()
	return m, err
}

func (m *cpuMeter) since() (envoy, server time.Duration, err error) {
	to, err := m.read()
	return to[0] - m.from[0], to[1] - m.from[1], err
}

func (m *cpuMeter) read() (used [2]time.Duration, err error) {
	for i, pid := range m.pids {
		if pid == 0 {
			continue
		}
		if used[i], err = machine.CPUTime(pid); err != nil {
			return used, err
		}
	}
	return used, nil
}
