// Package page tests the page of --admin in a headless Chromium: in each state that a
// replica can be in, in dark and light, narrow and wide, with JavaScript and without.
//
// It is a module of its own, since the program needs none of what drives a browser. make
// test-page provides a Chromium and axe-core, and runs it.
package page
