package main

import (
	"libclient"
	"libclient/concurrent"
)

func main() {
	libclient.Main("sylabs-v1.4.16", concurrent.Open)
}
