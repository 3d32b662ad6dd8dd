package main

import (
	"libclient"
	"libclient/concurrent"
)

func main() {
	libclient.Main(libclient.Release{
		Name: "sylabs-v1.4.2",
		CLI:  "SingularityCE 3.11",
		Open: concurrent.Open,
	})
}
