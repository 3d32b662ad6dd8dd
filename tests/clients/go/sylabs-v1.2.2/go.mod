module libclient/sylabs-v1.2.2

go 1.22

require libclient v0.0.0

require (
	github.com/blang/semver/v4 v4.0.0 // indirect
	github.com/go-log/log v0.2.0 // indirect
	github.com/sylabs/json-resp v0.8.0 // indirect
	github.com/sylabs/scs-library-client v1.2.2 // indirect
	golang.org/x/sync v0.0.0-20210220032951-036812b2e83c // indirect
)

replace libclient => ../libclient
