package main

import (
	"libclient"
	"libclient/concurrent"
)

func main() {
	libclient.Main(libclient.Release{
		Name:       "apptainer-v1.4.14",
		CLI:        "Apptainer 1.5",
		DefaultTag: "latest",
		Open:       concurrent.Open,
	})
}
