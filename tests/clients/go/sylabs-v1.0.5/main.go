package main

import (
	"libclient"
	"libclient/streaming"
)

func main() {
	libclient.Main(libclient.Release{
		Name: "sylabs-v1.0.5",
		CLI:  "Singularity 3.8",
		Open: streaming.Open,
	})
}
