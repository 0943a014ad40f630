package processor

import "testing"

// TestOutlineOf holds what is certain about messages that cannot be read.
func TestOutlineOf(t *testing.T) {
	t.Parallel()
	seeds := readSeeds(t)
	tests := []struct {
		seed    string
		want    outline
		certain bool
	}{
		{"truncated inside", outline{phase: requestHeaders}, true},
		{"malformed body", outline{phase: requestBody}, true},
		{"malformed protocol_config", outline{phase: requestHeaders, requestBodyMode: fullDuplexStreamed}, true},
		{"malformed, protocol_config", outline{phase: requestHeaders, requestBodyMode: fullDuplexStreamed, observability: true}, true},
		{"truncated protocol_config", outline{phase: requestHeaders}, false},
		{"last member wins", outline{phase: responseHeaders}, true},
		{"length beyond the end", outline{}, false},
		{"empty", outline{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.seed, func(t *testing.T) {
			t.Parallel()
			var r request
			if ok := r.read(seeds[tt.seed]); ok && tt.seed != "last member wins" && tt.seed != "empty" {
				t.Errorf("the message can be read")
			}
			if o, certain := outlineOf(seeds[tt.seed]); o != tt.want || certain != tt.certain {
				t.Errorf("outlineOf = %+v, %v, want %+v, %v", o, certain, tt.want, tt.certain)
			}
		})
	}
}
