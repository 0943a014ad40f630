package transport

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPEMBytes is the size of the largest PEM file that is read. A bundle of all public
// authorities has about 220 KiB.
const maxPEMBytes = 1 << 20

// A block is a block of a PEM file and its place.
type block struct {
	*pem.Block

	number, line int // from 1
}

func (b block) String() string {
	return fmt.Sprintf("block %d (%s, line %d)", b.number, b.Type, b.line)
}

func (b block) isCertificate() bool { return b.Type == "CERTIFICATE" || b.Type == "X509 CERTIFICATE" }

func (b block) isKey() bool { return strings.HasSuffix(b.Type, "PRIVATE KEY") }

// isParameters reports whether b has the parameters that openssl writes before a key,
// and that nobody needs.
func (b block) isParameters() bool { return strings.HasSuffix(b.Type, " PARAMETERS") }

const (
	beginMark = "-----BEGIN "
	endMark   = "-----END "
	markEnd   = "-----"
	byteOrder = "\ufeff" // editors on Windows write it; openssl ignores it, too
)

// blocksOf returns the blocks of a PEM file, or an error if one is damaged: pem.Decode
// skips a block that it cannot read, and its certificate would be missed. Between blocks
// there may be lines of text, as openssl x509 -text and bundles write them, but nothing
// that may be the rest of a block.
func blocksOf(content []byte) ([]block, error) {
	var blocks []block
	var begun []byte // from the first line of a block on; nil: outside a block
	var first block  // its place and type
	for number := 1; len(content) > 0; number++ {
		line, rest, _ := bytes.Cut(content, []byte("\n"))
		text := strings.TrimRight(string(line), " \t\r")
		if after, ok := strings.CutPrefix(text, byteOrder); ok && begun == nil {
			content, text = content[len(byteOrder):], after
		}
		kind, begins := marked(text, beginMark)
		ended, ends := marked(text, endMark)
		switch {
		case begun == nil && begins:
			begun, first = content, block{number: len(blocks) + 1, line: number, Block: &pem.Block{Type: kind}}
		case begun == nil && ends:
			return nil, fmt.Errorf("line %d ends block %d, whose first line is missing or damaged", number, len(blocks)+1)
		case begun == nil:
			if err := checkComment(text); err != nil {
				return nil, fmt.Errorf("line %d, outside of any block, %w", number, err)
			}
		case ends && ended == first.Type:
			b, left := pem.Decode(begun[:len(begun)-len(rest)])
			if b == nil || b.Type != first.Type || len(left) > 0 {
				return nil, fmt.Errorf("%v is damaged: it is not base64", first)
			}
			first.Block = b
			blocks, begun = append(blocks, first), nil
		case strings.Contains(text, markEnd):
			return nil, fmt.Errorf("%v is cut off: line %d is not its end", first, number)
		}
		content = rest
	}
	if begun != nil {
		return nil, fmt.Errorf("%v is cut off: the file ends in it", first)
	}
	return blocks, nil
}

// marked returns the type in the first or last line of a block.
func marked(text, mark string) (kind string, ok bool) {
	text, begins := strings.CutPrefix(text, mark)
	kind, ends := strings.CutSuffix(text, markEnd)
	return kind, begins && ends && !strings.Contains(kind, markEnd)
}

// checkComment returns what is wrong with a line between blocks.
func checkComment(text string) error {
	const base64Line = 64 // characters, of a whole line in a block
	switch {
	case strings.Contains(text, "\x00"):
		return errors.New("has a zero byte: is the file UTF-16, or not PEM at all? write it as ASCII")
	case !utf8.ValidString(text), strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }):
		return errors.New("is not text")
	case strings.Contains(text, markEnd):
		return errors.New("is a damaged first or last line of a block")
	case len(text) >= base64Line && !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' || r == '=')
	}):
		return errors.New("looks like part of a block")
	}
	return nil
}

var errNoCertificate = errors.New("it has no certificate")

// chainOf returns the certificates of the server's file, which may have the key too.
func chainOf(content []byte) ([]*x509.Certificate, error) {
	return certificatesOf(content, func(b block) bool { return b.isKey() || b.isParameters() })
}

// authoritiesOf returns the certificates of a file that may have nothing else.
func authoritiesOf(content []byte) ([]*x509.Certificate, error) {
	return certificatesOf(content, func(block) bool { return false })
}

// certificatesOf returns the certificates of a PEM file, and skips the blocks that other
// accepts.
func certificatesOf(content []byte, other func(block) bool) ([]*x509.Certificate, error) {
	blocks, err := blocksOf(content)
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for _, b := range blocks {
		switch {
		case other(b):
		case !b.isCertificate():
			return nil, fmt.Errorf("%v is not a certificate", b)
		default:
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%v: %w", b, err)
			}
			certificates = append(certificates, c)
		}
	}
	if len(certificates) == 0 {
		return nil, errNoCertificate
	}
	return certificates, nil
}

// keyOf returns the key of a file, which may have certificates too.
func keyOf(content []byte) (*pem.Block, error) {
	const expected = "expected the key of the certificate as PEM, not encrypted"
	blocks, err := blocksOf(content)
	if err != nil {
		return nil, fmt.Errorf("cannot be used: %w: %s", err, expected)
	}
	var key *pem.Block
	for _, b := range blocks {
		switch {
		case b.Type == "ENCRYPTED PRIVATE KEY", b.isKey() && b.Headers["DEK-Info"] != "":
			return nil, errors.New("is encrypted: decrypt it (openssl pkey -in ENCRYPTED -out KEY), and let only tagproc read the file")
		case b.isKey() && key != nil:
			return nil, fmt.Errorf("cannot be used: %v is a second private key: %s", b, expected)
		case b.isKey():
			key = b.Block
		case !b.isCertificate() && !b.isParameters():
			return nil, fmt.Errorf("cannot be used: %v is not a private key: %s", b, expected)
		}
	}
	if key == nil {
		return nil, fmt.Errorf("cannot be used: it has no private key: %s", expected)
	}
	return key, nil
}
