package main

import (
	"libclient"
	"libclient/concurrent"
)

func main() {
	libclient.Main(libclient.Release{
		Name: "sylabs-v1.3.5",
		CLI:  "SingularityCE 3.10, last library",
		Open: concurrent.Open,
	})
}
