package main

import (
	"libclient"
	"libclient/concurrent"
)

func main() {
	libclient.Main("apptainer-v1.4.14", concurrent.Open)
}
