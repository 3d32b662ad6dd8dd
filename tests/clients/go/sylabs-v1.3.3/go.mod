module libclient/sylabs-v1.3.3

go 1.22

require libclient v0.0.0

require (
	github.com/blang/semver/v4 v4.0.0 // indirect
	github.com/go-log/log v0.2.0 // indirect
	github.com/sylabs/json-resp v0.8.1 // indirect
	github.com/sylabs/scs-library-client v1.3.3 // indirect
	golang.org/x/sync v0.0.0-20220513210516-0976fa681c29 // indirect
)

replace libclient => ../libclient
