package main

import (
	"libclient"
	"libclient/concurrent"
)

func main() {
	libclient.Main(libclient.Release{
		Name: "sylabs-v1.2.2",
		CLI:  "SingularityCE 3.9",
		Open: concurrent.Open,
	})
}
