package gateway

// What the tests of this package use of its inside.
var (
	Share         = share
	ClientAddress = clientAddress
)
