package main

import (
	"libclient"
	"libclient/archless"
)

func main() {
	libclient.Main(libclient.Release{
		Name:    "sylabs-v0.2.2",
		CLI:     "Singularity 3.3",
		OneBody: true,
		NoUsage: true,
		Open:    archless.Open,
	})
}
