// Package api is what all of the interface for programs has in common, whatever is asked of it: the form of
// its errors (RFC 9457), how bodies, parameters and cursors are read, keys that keep a command from being
// carried out twice, and its description (OpenAPI 3.1).
//
// It knows no doors, and not who may ask for what.
package api
