package main

import (
	"libclient"
	"libclient/concurrent"
)

func main() {
	libclient.Main(libclient.Release{
		Name: "apptainer-v1.4.2",
		CLI:  "Apptainer 1.2",
		Open: concurrent.Open,
	})
}
