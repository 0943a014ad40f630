package envoyconf

import "github.com/tagproc/tagproc/contract"

// ProgramDigest returns the digest of the rules that a filter has as Lua, in the place of
// tagproc; false: it has none.
func (f *Filter) ProgramDigest() (digest string, is bool) {
	for _, keys := range [][]any{{"typed_config", "default_source_code", "inline_string"}, {"typedConfig", "defaultSourceCode", "inlineString"}} {
		if text := f.Get(keys...); text.IsScalar() {
			return contract.ProgramDigest(text.Text())
		}
	}
	return "", false
}
