package accesslog

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

// TestDocs checks that the formats of documents are the one that is rendered.
func TestDocs(t *testing.T) {
	t.Parallel()
	want := Format([]string{"x-asm-prefer-tag"}, true)
	for file, from := range map[string]string{"operations.md": "```yaml\ntime:", "istio.md": "```json\n{\"time\""} {
		text, err := os.ReadFile("../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		_, block, ok := strings.Cut(string(text), from)
		block, _, _ = strings.Cut(strings.TrimPrefix(from, "```")[5:]+block, "```")
		got := map[string]any{}
		if strings.HasPrefix(block, "{") {
			err = json.Unmarshal([]byte(block), &got)
		} else {
			err = yaml.Unmarshal([]byte(block), &got)
		}
		if diff := cmp.Diff(want, got); !ok || err != nil || diff != "" {
			t.Errorf("docs/%s has another format: %v (-want +got):\n%s", file, err, diff)
		}
	}
}
