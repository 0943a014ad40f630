// Package lua is rules as a program for Envoy's Lua filter: [Gateway] decides where
// requests come in, as tagproc does there, and [Recompute] at hops behind it. The rules
// are data in it, and one text in decide.lua.tmpl decides by them.
//
// It knows Lua, and what of rules can be said in it. It never knows where a filter
// stands, or what removes forged tags.
package lua
