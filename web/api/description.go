package api

import _ "embed" // for the description

//go:embed openapi.json
var description []byte

// Description is the description of the interface: OpenAPI 3.1, in JSON. It must not be changed.
func Description() []byte { return description }
