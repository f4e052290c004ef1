package client

type inbox struct{}
