package contract

// Separator is a regular expression for a character that is a separator in the name of a
// header, in lower case. Servers that hand headers on as environment variables (CGI, WSGI,
// PHP, Rack) fold all separators into one: x_asm_prefer_tag is x-asm-prefer-tag to them.
const Separator = "[^a-z0-9]"

// IsSeparator reports whether c is neither a letter, in lower case, nor a digit.
func IsSeparator[C byte | rune](c C) bool {
	return !('a' <= c && c <= 'z' || '0' <= c && c <= '9')
}
