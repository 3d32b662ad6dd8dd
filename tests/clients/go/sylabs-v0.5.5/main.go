package main

import (
	"libclient"
	"libclient/unmeasured"
)

func main() {
	libclient.Main(libclient.Release{
		Name:    "sylabs-v0.5.5",
		CLI:     "Singularity 3.6",
		NoUsage: true,
		Open:    unmeasured.Open,
	})
}
