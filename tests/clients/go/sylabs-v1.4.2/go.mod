module libclient/sylabs-v1.4.2

go 1.22

require libclient v0.0.0

require (
	github.com/blang/semver/v4 v4.0.0 // indirect
	github.com/go-log/log v0.2.0 // indirect
	github.com/google/uuid v1.3.0 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/opencontainers/image-spec v1.0.2 // indirect
	github.com/sylabs/json-resp v0.8.2 // indirect
	github.com/sylabs/scs-library-client v1.4.2 // indirect
	github.com/sylabs/sif/v2 v2.9.0 // indirect
	golang.org/x/sync v0.1.0 // indirect
)

replace libclient => ../libclient
