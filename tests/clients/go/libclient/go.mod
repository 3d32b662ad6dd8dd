// What the programs beside this folder share. It requires nothing by itself: which client library
// stands behind it, and in which version, is decided in the go.mod of each program.
module libclient

go 1.22
