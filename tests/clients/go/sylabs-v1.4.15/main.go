package main

import (
	"libclient"
	"libclient/concurrent"
)

func main() {
	libclient.Main(libclient.Release{
		Name:       "sylabs-v1.4.15",
		CLI:        "SingularityCE 4.5.0",
		DefaultTag: "latest",
		Open:       concurrent.Open,
	})
}
