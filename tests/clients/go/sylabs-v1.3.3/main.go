package main

import (
	"libclient"
	"libclient/concurrent"
)

func main() {
	libclient.Main(libclient.Release{
		Name: "sylabs-v1.3.3",
		CLI:  "SingularityCE 3.10.4",
		Open: concurrent.Open,
	})
}
