// Package paint makes text for terminals coloured, or leaves it as it is. It knows
// nothing of where the text goes: its callers say whether there are colours.
package paint

import "github.com/fatih/color"

// With returns a style that has the attributes where colored is true, and none
// elsewhere, whatever standard output is.
func With(colored bool, attributes ...color.Attribute) *color.Color {
	c := color.New(attributes...)
	if colored {
		c.EnableColor()
	} else {
		c.DisableColor()
	}
	return c
}
