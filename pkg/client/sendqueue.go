package client

type sendQueue struct{}
