// Package page draws the state of a replica as an HTML page: readable without
// JavaScript, in one request, and with it renewed every few seconds.
//
// It never knows where a state comes from. Nothing on the page changes anything.
package page
