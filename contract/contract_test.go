package contract

import (
	"net"
	"regexp"
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

// TestSeparators checks that the expression and the function mean the same.
func TestSeparators(t *testing.T) {
	t.Parallel()
	expression := regexp.MustCompile("^" + Separator + "$")
	for c := range rune(256) {
		if got, want := IsSeparator(c), expression.MatchString(string(c)); got != want {
			t.Errorf("IsSeparator(%q) = %v, want %v", c, got, want)
		}
		if c < 128 && IsSeparator(byte(c)) != IsSeparator(c) {
			t.Errorf("IsSeparator(%q) is another one for a byte", c)
		}
	}
}
