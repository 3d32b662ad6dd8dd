module libclient/sylabs-v1.0.5

go 1.22

require libclient v0.0.0

require (
	github.com/blang/semver/v4 v4.0.0 // indirect
	github.com/go-log/log v0.2.0 // indirect
	github.com/sylabs/json-resp v0.7.1 // indirect
	github.com/sylabs/scs-library-client v1.0.5 // indirect
	golang.org/x/sync v0.0.0-20200317015054-43a5402ce75a // indirect
)

replace libclient => ../libclient
