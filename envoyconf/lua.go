package envoyconf

// LuaSource returns the Lua that a filter has in its configuration; "": it has none there.
func (f *Filter) LuaSource() string {
	for _, keys := range [][]any{{"typed_config", "default_source_code", "inline_string"}, {"typedConfig", "defaultSourceCode", "inlineString"}} {
		if text := f.Get(keys...); text.IsScalar() {
			return text.Text()
		}
	}
	return ""
}
