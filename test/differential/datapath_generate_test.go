package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generateHop returns the header lines of the request of a seed and an index, always
// the same: users, tags, and baggage of every kind.
func generateHop(seed, index uint64) []string {
	g := generator{rand.New(rand.NewPCG(seed, index+1<<32))}
	var lines []string
	for range g.IntN(3) {
		lines = append(lines, g.inCase(pick(g, "x-user-id", "x-user-id", "x-user-id", "x-account"))+": "+pick(g, "jason", "0001", "bob", "", "é", "\xff\xfe", fmt.Sprint("user-", g.IntN(10_000)), g.memberText(),
			strings.Repeat("0123456789abcdef", 150)[:1+g.IntN(pick(g, 20, 300, 2400))]))
	}
	for range pick(g, 0, 1, 1, 2) {
		lines = append(lines, g.inCase("cookie")+": "+g.cookies())
	}
	for range pick(g, 0, 1, 1, 1, 2) {
		lines = append(lines, g.inCase(pick(g, "x-beta", "x-beta", "x-beta", "x-beta", "x-off"))+": "+pick(g, "1", "1", "1", "", "2", "\"1\""))
	}
	if g.chance(60) {
		for range 1 + g.IntN(3) {
			name := pick(g, "x-asm-prefer-tag", "appver-a", "appver-b", "appver", "appver-a.b_c", "appver!", "x-other")
			lines = append(lines, g.inCase(name)+": "+g.memberValue())
		}
	}
	if g.chance(85) {
		for range pick(g, 1, 1, 1, 2, 3) {
			lines = append(lines, g.inCase("baggage")+": "+g.baggage())
		}
	}
	g.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return lines
}

// cookies returns the value of a header: pairs, and parts that are not pairs.
func (g generator) cookies() string {
	var b strings.Builder
	for range g.IntN(6) {
		value := pick(g, "jason", fmt.Sprint("user-", g.IntN(10_000)), fmt.Sprintf("\"user-%d\"", g.IntN(10_000)), "\" blank \"", "\"", "\"\"", "", "%41", g.memberText())
		b.WriteString(pick(g, "", "", " ", "\t") + pick(g, "uid", "uid", "u-1", "UID", "xuid", "uid ", "") + pick(g, "=", "=", "=", " = ", "", "==") + value + pick(g, ";", "; ", "; ", " ;", ";;", ""))
	}
	return b.String()
}

// baggage returns the value of a header: empty, of a few members, of around 64, or of
// around 8 KiB.
func (g generator) baggage() string {
	var parts []string
	add := func(n int) {
		for range n {
			parts = append(parts, g.member())
		}
	}
	switch n := g.IntN(100); {
	case n < 3:
		return pick(g, "", " ", ",", " ,\t, ")
	case n < 80:
		add(1 + g.IntN(8))
	case n < 90:
		add(g.IntN(4))
		for range 58 + g.IntN(10) {
			parts = append(parts, pick(g, "k=v", "k=v", "k=v", "", " ", "k"))
		}
		add(g.IntN(4))
	default:
		add(g.IntN(4))
		parts = append(parts, "long="+strings.Repeat(pick(g, "x", "%41", "é"), 2700))
		add(g.IntN(4))
		if size := 8192 + 20 - g.IntN(60) - len(strings.Join(parts, ",")); size > 0 {
			parts = append(parts, "fill="+strings.Repeat("y", size))
		}
	}
	g.Shuffle(len(parts), func(i, j int) {
		if g.chance(50) {
			parts[i], parts[j] = parts[j], parts[i]
		}
	})
	return strings.Join(parts, ",")
}

// member returns what may stand between commas.
func (g generator) member() string {
	blank := func() string { return pick(g, "", "", "", "", "", " ", "\t", " \t ") }
	name := g.inCase(pick(g, "appver-a", "appver-a", "appver-b", "appver-b", "appver", "appver-c", "x-asm-prefer-tag", "x-asm-prefer-tag",
		"userId", "appver%2Da", "appver b", "appve", "xappver", "", "appver"+strings.Repeat("n", 249+g.IntN(4))))
	if g.chance(8) {
		name += g.memberText()
	}
	return blank() + name + blank() + pick(g, "=", "=", "=", "=", "=", "=", "=", "==", "", ";", "=;") + blank() + g.memberValue() + blank() +
		pick(g, "", "", "", "", ";", ";p=1", " ; p ;q = 2", "; appver-b=v9")
}

func (g generator) memberValue() string {
	switch g.IntN(4) {
	case 0:
		return g.memberText()
	case 1:
		return pick(g, "", "%00", "%0d%0a", "a b", "a%20b", "%7f", "%C3%A9", "é", "%2541", "%", "%4", "%zz",
			strings.Repeat("x", 254+g.IntN(5)), strings.Repeat("%41", 254+g.IntN(5)), strings.Repeat("%zz", 84+g.IntN(3)))
	default:
		return pick(g, "v1", "v2", "s2", "1", "V2", "v=2", "v%3D2%2C%3b%25")
	}
}

// memberText returns a few characters; most mean something to some reader.
func (g generator) memberText() string {
	var b strings.Builder
	for range g.IntN(8) {
		switch n := g.IntN(100); {
		case n < 10:
			fmt.Fprintf(&b, "%%%02x", g.IntN(256))
		case n < 20:
			fmt.Fprintf(&b, "%%%02X", g.IntN(128))
		case n < 28:
			b.WriteString(pick(g, "%", "%a", "%g1", "%%41", "%2541", "%0d%0a", "%00"))
		case n < 36:
			b.WriteString(pick(g, "é", "→", "𝄞", "\xff", "\x80", "\u00a0", "\xc3"))
		case n < 50:
			b.WriteByte(",;=% \t\"\\'+"[g.IntN(10)])
		case n < 51:
			b.WriteString(pick(g, "\x01", "\x0b", "\x1f", "\x7f")) // Envoy refuses them
		default:
			b.WriteByte(byte('!' + g.IntN('~'-'!'+1)))
		}
	}
	return b.String()
}

// inCase returns name in lower case, mostly.
func (g generator) inCase(name string) string {
	if g.chance(70) {
		return name
	}
	b := []byte(name)
	for i := range b {
		if g.chance(50) {
			b[i] = strings.ToUpper(name)[i]
		}
	}
	return string(b)
}
