package contract

import (
	"net"
	"testing"
)

func TestDirections(t *testing.T) {
	t.Parallel()
	names := DirectionNames()
	for i, name := range names {
		if d := ParseDirection(name); d != Direction(i) || d.String() != name {
			t.Errorf("ParseDirection(%q) = %d %s, want %d", name, d, d, i)
		}
	}
	for _, name := range []string{"", "unknown", "Restore", "restore "} {
		if d := ParseDirection(name); d != UnknownDirection {
			t.Errorf("ParseDirection(%q) = %s, want unknown", name, d)
		}
	}
	if len(names) != int(UnknownDirection) || Direction(0) != Gateway {
		t.Errorf("the directions are %q, the zero one %s", names, Direction(0))
	}
}

func TestDefaultAddresses(t *testing.T) {
	t.Parallel()
	if _, port, err := net.SplitHostPort(DefaultListen); err != nil || port != DefaultPort {
		t.Errorf("the port of %s is %q, %v, want %s", DefaultListen, port, err, DefaultPort)
	}
	if GatewayMaxHeaders <= DefaultMaxHeaders || GatewayMaxHeaderKB <= DefaultMaxHeaderKB {
		t.Error("a gateway is given less than Envoy's own limits")
	}
}
