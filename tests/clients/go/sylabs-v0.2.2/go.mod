module libclient/sylabs-v0.2.2

go 1.22

require libclient v0.0.0

require (
	github.com/blang/semver v3.5.1+incompatible // indirect
	github.com/go-log/log v0.1.0 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.0 // indirect
	github.com/hashicorp/go-retryablehttp v0.5.3 // indirect
	github.com/sylabs/json-resp v0.5.0 // indirect
	github.com/sylabs/scs-library-client v0.2.2 // indirect
	golang.org/x/sync v0.0.0-20190423024810-112230192c58 // indirect
)

replace libclient => ../libclient
