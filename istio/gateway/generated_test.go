package gateway

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

var (
	hosts = []string{"shop.example.com", "Shop.Example.com:8443", "a.b.example.com", "example.com", "[::1]", "[::1]:80", "[::1", "x:1:2"}
	paths = []string{"/", "/checkout", "/checkout/1", "/checkouts", "/Checkout", "/a%20b", "/checkout//", "/é"}
	users = []string{"jack", "jason", "a b", "é→", "user;1", `"q"`, "%41", "+", "A", "1", "user-7"}
)

// generatedRules returns rules that look at all that Lua can look at.
func generatedRules(rng *rand.Rand) string {
	type object = map[string]any
	var list []any
	for i := range 2 + rng.IntN(6) {
		modulo := pick(rng, 1, 7, 100, 100, 1000, 1_000_000)
		all := []any{object{"header": "x-user-id"}, object{"header": "X-Tenant"}, object{"cookie": "uid"}, object{"query": "uid"}, object{"query": "u[d"}}
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		keys := all[:pick(rng, 1, 2, 3, 5)]
		rule := object{
			"name": fmt.Sprint(pick(rng, "rule ", "[[", `"\`, "é"), i), "keys": keys,
			"tagHeader": pick(rng, "tag-a", "tag-b", "tag-c"), "modulo": modulo, "mode": pick(rng, "enforce", "enforce", "enforce", "enforce", "enforce", "shadow", "off"),
		}
		if rng.IntN(3) == 0 {
			rule["hash"] = "xxh3"
			if rng.IntN(3) > 0 {
				rule["salt"] = pick(rng, "spring-launch", "é", "]]")
			}
		}
		var policies []any
		for range 1 + rng.IntN(4) {
			from := pick(rng, 0, rng.IntN(modulo+1))
			policy := object{"from": from, "range": from + rng.IntN(modulo+1-from), "tagValue": pick(rng, "s1", "s2", "s3", `"\`)}
			if rng.IntN(5) == 0 { // steps that began, and one that is to come
				var steps []object
				for i, off := range []time.Duration{-300 * time.Hour, -2 * time.Hour, -time.Hour, 5 * time.Hour} {
					steps = append(steps, object{"at": time.Now().Add(off).Format(time.RFC3339Nano), "range": from + (modulo-from)*(i+1)/4})
				}
				delete(policy, "range")
				policy["ramp"] = steps[:1+rng.IntN(4)]
			}
			policies = append(policies, policy)
		}
		if rule["policies"] = policies; rng.IntN(4) == 0 {
			delete(rule, "policies")
			rule["partitions"] = []any{object{"partitionSize": modulo / 3, "tagValue": "p1"}, object{"partitionSize": modulo / 2, "tagValue": "p2"}}
		}
		match := object{}
		if rng.IntN(3) == 0 {
			match["hosts"] = pick(rng, []string{"shop.example.com"}, []string{"*.example.com", "[::1]"}, []string{"example.com", "*.b.example.com"})
		}
		if rng.IntN(3) == 0 {
			match["paths"] = pick(rng, []object{{"prefix": "/checkout"}}, []object{{"prefix": "/"}}, []object{{"exact": "/"}, {"exact": "/checkouts"}}, []object{{"prefix": "/a%20b"}})
		}
		if rng.IntN(4) == 0 {
			match["headers"] = pick(rng, []object{{"name": "x-beta", "exact": "1"}}, []object{{"name": "x-beta", "present": true}}, []object{{"name": "X-Beta", "present": false}})
		}
		if len(match) > 0 {
			rule["match"] = match
		}
		if rng.IntN(2) == 0 {
			order := rng.Perm(len(users))
			override := func(from, to int, gives string, what any) object {
				var values []string
				for _, u := range order[from:to] {
					values = append(values, users[u])
				}
				return object{"values": values, gives: what}
			}
			named := []object{override(0, 3, "tagValue", "named"), override(3, 5, "none", true)}
			if rng.IntN(2) == 0 {
				named[0]["key"] = keys[0]
			}
			rule["overrides"] = named
		}
		list = append(list, rule)
	}
	file := object{
		"rules":      append(list, object{"header": "x-user-id", "tagHeader": "tag-z", "policies": []any{object{"range": 50, "tagValue": "z"}}}),
		"tagHeaders": object{"headers": []string{"tag-a", "tag-b", "tag-c", "tag-z"}}, "trustClientTags": rng.IntN(4) == 0,
	}
	if rng.IntN(2) == 0 {
		file["propagation"] = object{"headers": []string{"tag-a", "tag-c"}}
	}
	src, err := json.Marshal(file)
	if err != nil {
		panic(err) // it is maps of texts and numbers
	}
	return string(src)
}

// generatedRequest returns a request that generated rules may look at.
func generatedRequest(rng *rand.Rand) (header http.Header, path string) {
	id := func() string {
		return pick(rng, fmt.Sprint("user-", rng.IntN(1_000_000)), fmt.Sprint(rng.IntN(1000)), pick(rng, users...), pick(rng, users...), "", " ", "\t x ", "\xff\x80", strings.Repeat("0123456789abcdef", 150)[:1+rng.IntN(pick(rng, 20, 300, 2400))])
	}
	header = http.Header{"Host": {pick(rng, hosts...)}}
	for _, name := range []string{"X-User-Id", "x-tenant"} {
		for range pick(rng, 0, 1, 1, 2) {
			header[name] = append(header[name], id())
		}
	}
	if rng.IntN(2) == 0 {
		header["X-Beta"] = []string{pick(rng, "1", "2", "", " 1 ")}
	}
	for range pick(rng, 0, 0, 1, 2) {
		var b strings.Builder
		for range rng.IntN(4) {
			value := id()
			b.WriteString(pick(rng, "", " ") + pick(rng, "uid", "uid", "UID", "other", "my uid", "uiduid", "uid uid", "x=uid", "") + pick(rng, "=", "=", " = ", "", "==") +
				pick(rng, value, `"`+value+`"`, `" `+value+` "`, `"`, "") + pick(rng, ";", "; ", ";;"))
		}
		header["Cookie"] = append(header["Cookie"], b.String())
	}
	if rng.IntN(4) == 0 {
		header[pick(rng, "tag-a", "Tag-B", "tag_c", "tag.z", "Tag-Z")] = []string{pick(rng, "s1", "s2", "z", "")}
	}
	if rng.IntN(4) == 0 {
		header["Baggage"] = []string{pick(rng, "tag-a=s1", "x=1,Tag-C=s2", "x")}
	}
	path = pick(rng, paths...)
	var query []string
	for range pick(rng, 0, 0, 1, 3) {
		query = append(query, pick(rng, "uid", "uid", "u%69d", "u[d", "u%5Bd", "u%5bd", "uidx", "xuid", "uid%3D", "uid%3d1", "u%%69d", "%2%75id", "x", "")+pick(rng, "=", "=", "", "==")+
			pick(rng, url.QueryEscape(id()), url.QueryEscape(pick(rng, users...)), "%", "%4", "%zz", "%%41", "a+b", "%2B", "?", "%2%36", "%2%42", "%2542", "%26uid=1", "%3D%3d", "%2b+%2b", "%25%32%36"))
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, pick(rng, "&", "&&"))
	}
	if rng.IntN(20) == 0 {
		path += "#uid=7"
	}
	return header, strings.ReplaceAll(path, "é", "%C3%A9")
}
