package contract

import "strings"

// Program begins the Lua that decides the tags of a gateway's requests in Envoy. The digest of
// the rules that it is of follows.
const Program = "-- Decides the tags of each request, as tagproc does, without asking it.\n-- rules digest: "

// ProgramDigest returns the digest of the rules that a Lua text is the program of; false: it
// is none.
func ProgramDigest(text string) (digest string, is bool) {
	rest, is := strings.CutPrefix(text, Program)
	digest, _, _ = strings.Cut(rest, "\n")
	return digest, is
}
