package main

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"net/http"
)

// A user is who a request is for.
type user struct {
	id      string
	tag     string // by rule, s1 or s2
	answer  string // of the upstream, when the tag came through
	request []byte // of the user, in HTTP/1.1
}

// rule is the rules file of the comparison. What it says is also what tag.lua and
// the textbook server say; the rules as Lua are rendered from it.
const rule = `rules:
- name: release
  header: x-user-id
  modulo: 100
  tagHeader: x-asm-prefer-tag
  policies:
  - {range: 20, tagValue: s2}
  - {range: 100, tagValue: s1}
`

// newUsers returns n users with ids of equal length, so that all requests are of
// one size.
func newUsers(n int) []user {
	users := make([]user, n)
	for i := range users {
		id := fmt.Sprintf("user-%05d", i)
		hash := fnv.New32a()
		hash.Write([]byte(id))
		tag, lane := "s1", "baseline"
		if hash.Sum32()%100 < 20 {
			tag, lane = "s2", "canary"
		}
		users[i] = user{id: id, tag: tag, answer: answerOf(lane, tag, id), request: browserRequest(id)}
	}
	return users
}

// browserRequest is what a browser sends for a page, with the user's id: 13
// headers with the host, 1 KiB.
func browserRequest(id string) []byte {
	request, err := http.NewRequest(http.MethodGet, "http://shop.example.com/products/4711?ref=start", nil)
	if err != nil {
		panic(err) // the URL is a constant
	}
	for _, h := range [][2]string{
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"},
		{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"},
		{"Accept-Encoding", "gzip, deflate, br, zstd"},
		{"Accept-Language", "en-US,en;q=0.9,de;q=0.8"},
		{"Cache-Control", "max-age=0"},
		{"Cookie", "session=4c1f0b7e9a2d4f6b8c3e5d7f9a1b3c5d; consent=all; theme=dark; cart=9f8e7d6c5b4a39281706f5e4d3c2b1a0"},
		{"Referer", "https://shop.example.com/"},
		{"Sec-Fetch-Dest", "document"},
		{"Sec-Fetch-Mode", "navigate"},
		{"Sec-Fetch-Site", "same-origin"},
		{"Upgrade-Insecure-Requests", "1"},
		{"X-User-Id", id},
	} {
		request.Header.Set(h[0], h[1])
	}
	var b bytes.Buffer
	if err := request.Write(&b); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}
