package main

import "testing"

func TestIsLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:9090":       true,
		"127.8.0.1:9090":       true,
		"[::1]:9090":           true,
		"localhost:9090":       true,
		"unix:///run/admin":    true,
		"0.0.0.0:9090":         false,
		":9090":                false,
		"[::]:9090":            false,
		"10.0.0.1:9090":        false,
		"localhost.example:90": false,
		"nonsense":             false,
	} {
		if got := isLocal(address); got != want {
			t.Errorf("isLocal(%q) = %v, want %v", address, got, want)
		}
	}
}
