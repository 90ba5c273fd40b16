package configs

//go:generate env UPDATE=1 go test -run TestReference .
