package bus

import "context"

// Name is the name of a user, client or channel: an EDN value as a token.
type Name struct {
	token string
	err   error
}

// Client is a backend's end of the bus. All methods are safe for concurrent use.
type Client struct{}

// Connect connects to NATS.
func Connect(ctx context.Context, o Options) (*Client, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	return &Client{}, ctx.Err()
}
