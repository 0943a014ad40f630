package rules

// rulesFile is what messages call a rules file in no envelope.
const rulesFile = "a rules file"

// A clause is what the schema says of a key beside its type, or of a mapping as a whole.
type clause struct {
	of, key string // of: what messages call the mapping; no key: the mapping itself
	about   string // for whoever writes the file
	more    keywords
}

// clauses are about every key of the language: a test misses those without one.
var clauses = []clause{
	{rulesFile, "", "", keywords{"required": []string{"rules"}}},
	{rulesFile, "tagHeaders", "Every tag header that may ever be written. What clients send in one is removed. Default: the tag headers of the rules.", nil},
	{rulesFile, "propagation", "Tag headers that travel the call chain as members of the header baggage too.", some("headers", "headerPrefixes")},
	{rulesFile, "forwarded", "What Envoy sends to tagproc. Default: what the rules look at.", nil},
	{rulesFile, "exclusive", "Lists of RULE/TAG: a file is refused in which a user may have two of a list.", items(keywords{"minItems": 2})},
	{rulesFile, "trustClientTags", "true: tag headers that clients send stay, unless a rule sets them. Default: false.", nil},
	{rulesFile, "rules", "Who gets which tag. For each tag header the first rule that applies decides.", nil},
	{rulesFile, "debug", "Ignored: tagproc's log has what the plug-in's debug log has.", nil},

	{"tagHeaders", "headers", "Names of headers.", items(notForbidden())},
	{"tagHeaders", "headerPrefixes", "Beginnings of names of headers, without a star.", items(keywords{"pattern": tagHeaderPattern, "not": keywords{"pattern": `\*`}})},
	{"propagation", "headers", "Names of headers.", items(keywords{"pattern": headerNamePattern})},
	{"propagation", "headerPrefixes", "Beginnings of names of headers, without a star.", items(keywords{"pattern": headerNamePattern, "not": keywords{"pattern": `\*`}})},
	{`"forwarded"`, "", "", keywords{"required": []string{"headers"}}},
	{`"forwarded"`, "headers", "Names of headers; :authority for hosts, :path for paths and the query.", keywords{"minItems": 1, "items": keywords{"pattern": "^:(authority|path)$|" + headerNamePattern}}},

	{"a rule", "", "", keywords{
		"required": []string{"tagHeader"},
		"allOf":    []keywords{one("header", "keys"), one("policies", "partitions")},
		"if":       keywords{"required": []string{"salt"}},
		"then":     keywords{"required": []string{"hash"}, "properties": keywords{"hash": keywords{"const": hashNames[XXH3]}}},
	}},
	{"a rule", "name", "What the rule is called in metrics, logs and explanations. Default: its tag header.", keywords{"minLength": 1, "maxLength": maxNameLength}},
	{"a rule", "description", "For people.", nil},
	{"a rule", "match", "For which requests the rule is. Default: all.", some("hosts", "paths", "headers")},
	{"a rule", "header", "The request header with the user's id: short for keys with one header.", keywords{"pattern": headerNamePattern, "not": keywords{"pattern": "^[hH][oO][sS][tT]$"}}},
	{"a rule", "keys", "Where the user's id may be: the first that is there and not empty is taken.", keywords{"minItems": 1, "maxItems": MaxKeys}},
	{"a rule", "modulo", "The number of buckets: 100 for whole percents.", keywords{"minimum": 1, "maximum": MaxModulo, "default": DefaultModulo}},
	{"a rule", "tagHeader", "The header that is written, which routes match on.", notForbidden()},
	{"a rule", "hash", "How ids become buckets: fnv1a32 as the Hash tagging plug-in does, xxh3 for everybody else. A change moves users.", keywords{"default": hashNames[FNV1a32]}},
	{"a rule", "salt", "Makes the cohorts of this rule independent of others. It takes hash: xxh3. A change moves users.", keywords{"minLength": 1}},
	{"a rule", "mode", "enforce: decide and write; shadow: decide and count, write nothing; off: do not decide.", keywords{"default": modeNames[ModeEnforce]}},
	{"a rule", "overrides", "Named users, decided before the hash.", nil},
	{"a rule", "policies", "Who gets which tag, by bucket. The first policy that has the bucket decides.", keywords{"minItems": 1}},
	{"a rule", "partitions", "Instead of policies: sizes that add up, from bucket 0 on.", keywords{"minItems": 1}},

	{"a key", "", "", keywords{"minProperties": 1, "maxProperties": 1}},
	{"a key", "header", "A request header.", keywords{"pattern": headerNamePattern, "not": keywords{"pattern": "^[hH][oO][sS][tT]$"}}},
	{"a key", "cookie", "A cookie, the first of its name.", keywords{"pattern": headerNamePattern}},
	{"a key", "query", "A parameter of the query, percent-decoded.", keywords{"pattern": visiblePattern, "not": keywords{"pattern": "[%+&=#,]"}}},
	{"a key", "visitor", "An id that tagproc gives whoever has none, in a cookie. It is the last key.", nil},

	{`"visitor"`, "cookie", "The name of the cookie.", keywords{"pattern": headerNamePattern, "default": defaultVisitor.Cookie}},
	{`"visitor"`, "maxAge", "How long browsers keep the cookie, from 1s to 9600h.", keywords{"pattern": durationPattern, "default": "8760h"}},
	{`"visitor"`, "path", "The paths for which browsers send the cookie.", keywords{"pattern": `^/[!-:<-~]{0,255}$`, "default": defaultVisitor.Path}},
	{`"visitor"`, "domain", "The hosts for which browsers send the cookie. Default: the host of the request alone.", keywords{"minLength": 1}},
	{`"visitor"`, "sameSite", "Lax, Strict or None.", keywords{"enum": nil, "pattern": "^([lL][aA][xX]|[sS][tT][rR][iI][cC][tT]|[nN][oO][nN][eE])$", "default": defaultVisitor.SameSite, "examples": sameSites}},
	{`"visitor"`, "secure", "Whether browsers send the cookie over TLS alone.", keywords{"default": defaultVisitor.Secure}},
	{`"visitor"`, "httpOnly", "Whether scripts cannot read the cookie.", keywords{"default": defaultVisitor.HTTPOnly}},

	{`"match"`, "hosts", "Any of these, without port: shop.example.com, or *.example.com for every host below it.", keywords{"maxItems": MaxConditions, "items": keywords{"pattern": hostNamePattern}}},
	{`"match"`, "paths", "Any of these, without the query.", keywords{"maxItems": MaxConditions}},
	{`"match"`, "headers", "All of these.", keywords{"maxItems": MaxConditions}},
	{"a path", "", "", keywords{"minProperties": 1, "maxProperties": 1}},
	{"a path", "exact", "The whole path.", keywords{"pattern": matchedPathPattern}},
	{"a path", "prefix", "The first segments of the path: /checkout takes /checkout and /checkout/x.", keywords{"pattern": matchedPathPattern, "not": keywords{"pattern": "./$"}}},
	{"a header of a match", "", "", keywords{"required": []string{"name"}, "oneOf": one("exact", "present")["oneOf"]}},
	{"a header of a match", "name", "The name of the header.", keywords{"pattern": headerNamePattern, "not": keywords{"pattern": "^[hH][oO][sS][tT]$"}}},
	{"a header of a match", "exact", "Its value.", text()},
	{"a header of a match", "present", "true: it is there; false: it is not.", nil},

	{"an override", "", "", keywords{"required": []string{"values"}, "oneOf": []keywords{
		{"required": []string{"tagValue"}, "properties": keywords{"none": keywords{"const": false}}},
		{"required": []string{"none"}, "properties": keywords{"none": keywords{"const": true}, "tagValue": false}},
	}}},
	{"an override", "key", "The key whose values these are, one of the rule's. Default: any.", nil},
	{"an override", "values", "Ids of users.", keywords{"minItems": 1, "uniqueItems": true, "items": text()}},
	{"an override", "tagValue", "The tag that these users get.", keywords{"pattern": visiblePattern}},
	{"an override", "none", "true: these users get no tag.", nil},

	{"a policy", "", "", keywords{
		"required": []string{"tagValue"}, "oneOf": one("range", "ramp")["oneOf"], "dependentRequired": keywords{"allowDecrease": []string{"ramp"}},
	}},
	{"a policy", "from", "The first bucket, from 0. Default: 0, and what earlier policies took is taken.", buckets()},
	{"a policy", "range", "The bucket behind the last one: range: 20 takes buckets 0 to 19, and 0 nobody.", buckets()},
	{"a policy", "ramp", "A schedule of the range, in the order of time. Before the first step it is 0.", keywords{"minItems": 1, "maxItems": MaxRampSteps}},
	{"a policy", "allowDecrease", "true: a step of the ramp may be smaller than the one before, and takes the tag from users.", nil},
	{"a policy", "tagValue", "The tag that the users of these buckets get.", keywords{"pattern": visiblePattern}},
	{"a step of a ramp", "", "", keywords{"required": []string{"at", "range"}}},
	{"a step of a ramp", "at", "The instant, with its offset: 2026-12-01T09:00:00+01:00.", keywords{"format": "date-time", "pattern": instantPattern}},
	{"a step of a ramp", "range", "The bucket behind the last one, from then on.", buckets()},

	{"a partition", "", "", keywords{"required": []string{"partitionSize", "tagValue"}}},
	{"a partition", "partitionSize", "The number of buckets.", buckets()},
	{"a partition", "tagValue", "The tag that the users of these buckets get.", keywords{"pattern": visiblePattern}},
}
