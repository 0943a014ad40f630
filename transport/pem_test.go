package transport

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/authority"
)

// pemLines is how many lines the certificates of pems have.
const pemLines = 10

// pems returns the PEM of two certificates.
func pems(t testing.TB) (a, b []byte) {
	t.Helper()
	return pemOf(t, "a"), pemOf(t, "b")
}

func pemOf(t testing.TB, name string) []byte {
	t.Helper()
	for { // signatures differ by a byte or two
		if p := authority.CertificatePEM(authority.New(t, name).Certificate); bytes.Count(p, []byte("\n")) == pemLines {
			return p
		}
	}
}

// join returns parts as one file.
func join(parts ...any) []byte {
	var all []byte
	for _, p := range parts {
		switch p := p.(type) {
		case []byte:
			all = append(all, p...)
		case string:
			all = append(all, p...)
		}
	}
	return all
}

// TestWholeFiles checks that every certificate of a file is found, whatever text is
// around them.
func TestWholeFiles(t *testing.T) {
	t.Parallel()
	a, b := pems(t)
	crlf := func(p []byte) []byte { return bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")) }
	for name, content := range map[string][]byte{
		"plain":           join(a, b),
		"no last newline": join(a, bytes.TrimSpace(b)),
		"CRLF":            crlf(join(a, b)),
		"byte order mark": join("\ufeff", a, b),
		"two files of Windows, one behind the other": join("\ufeff", crlf(a), "\ufeff", crlf(b)),
		"comments": join("# Bundle: Straße\n\n", a, "Certificate:\n    Data:\n\tSerial Number: 4a:0b\n=====\n", b, "--- the end\n"),
	} {
		certificates, err := authoritiesOf(content)
		if err != nil || len(certificates) != 2 || certificates[0].Subject.CommonName != "a" || certificates[1].Subject.CommonName != "b" {
			t.Errorf("%s: %d certificates, %v; want a and b", name, len(certificates), err)
		}
	}
}

// TestDamagedFiles checks that a file with a certificate that would be missed is
// refused, and that the error says where.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	a, b := pems(t)
	lines := bytes.SplitAfter(a, []byte("\n"))
	without := func(n int) []byte { return join(bytes.Join(lines[:n], nil), bytes.Join(lines[n+1:], nil)) }
	last := len(lines) - 2 // the line of the end
	for _, tt := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"cut at the end", join(b, a[:300]), "block 2 (CERTIFICATE, line 11) is cut off: the file ends in it"},
		{"cut, and another after it", join(a[:300], "\n", b), "block 1 (CERTIFICATE, line 1) is cut off: line 7 is not its end"},
		{"cut inside of the last line", a[:len(a)-4], "block 1 (CERTIFICATE, line 1) is cut off: line 10 is not its end"},
		{"one bad character", join(lines[0], "*", a[len(lines[0])+1:], b), "block 1 (CERTIFICATE, line 1) is damaged: it is not base64"},
		{"a line of base64 missing", join(b, without(2)), "block 2 (CERTIFICATE, line 11): x509: "},
		{"first line missing", join(b, without(0)), "line 11, outside of any block, looks like part of a block"},
		{"first line and most missing", join(b, lines[last]), "line 11 ends block 2, whose first line is missing or damaged"},
		{"last line missing", join(without(last), b), "block 1 (CERTIFICATE, line 1) is cut off: line 10 is not its end"},
		{"first line damaged", join(b, "-----BEGIN CERTIFICATE----\n", bytes.Join(lines[1:], nil)), "line 11, outside of any block, is a damaged first or last line of a block"},
		{"first line indented", join(b, " ", a), "line 11, outside of any block, is a damaged first or last line of a block"},
		{"two lines in one", join(bytes.TrimSpace(b), a), "block 1 (CERTIFICATE, line 1) is cut off: line 10 is not its end"},
		{"another type at the end", join(bytes.Join(lines[:last], nil), "-----END PRIVATE KEY-----\n"), "block 1 (CERTIFICATE, line 1) is cut off: line 10 is not its end"},
		{"the middle of one", join(b, lines[3], lines[4]), "line 11, outside of any block, looks like part of a block"},
		{"bytes between", join(a, "\x80\x81\n", b), "line 11, outside of any block, is not text"},
		{"ESC between", join(a, "\x1b[2J\n", b), "line 11, outside of any block, is not text"},
		{"UTF-16", utf16(join(a, b)), "line 1, outside of any block, has a zero byte: is the file UTF-16"},
		{"another kind", join(a, strings.ReplaceAll(string(b), "CERTIFICATE", "TRUSTED CERTIFICATE")), "block 2 (TRUSTED CERTIFICATE, line 11) is not a certificate"},
		{"nothing", nil, "it has no certificate"},
	} {
		certificates, err := authoritiesOf(tt.content)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %d certificates, %v; want an error that begins with %q", tt.name, len(certificates), err, tt.want)
		}
	}
}

// utf16 writes ASCII as Windows PowerShell's > does.
func utf16(ascii []byte) []byte {
	all := []byte{0xff, 0xfe}
	for _, c := range ascii {
		all = append(all, c, 0)
	}
	return all
}

// FuzzDamage checks that no single damage to a file of two certificates makes one
// of them disappear, unless hardly a dash of it is left.
func FuzzDamage(f *testing.F) {
	a, b := pems(f)
	whole := join(a, b)
	const unnoticed = len(markEnd) // bytes that may be left of a certificate, its last newline included
	f.Add(uint16(0), uint16(1), []byte(nil))
	f.Add(uint16(300), uint16(1), []byte("*"))
	f.Add(uint16(len(a)), uint16(27), []byte(nil))
	f.Add(uint16(300), uint16(len(whole)), []byte("\n"))
	f.Fuzz(func(t *testing.T, at, length uint16, instead []byte) {
		from := int(at) % len(whole)
		to := min(from+int(length), len(whole))
		if from < unnoticed && to > len(a)-unnoticed || from < len(a)+unnoticed && to > len(whole)-unnoticed {
			return
		}
		got, err := authoritiesOf(join(whole[:from], instead, whole[to:]))
		if err == nil && len(got) < 2 {
			t.Errorf("bytes %d to %d replaced by %q: %d certificates are found, want an error", from, to, instead, len(got))
		}
	})
}
