package client

import (
	"context"
	"io"
	"net/url"
	"strconv"
	"time"
)

// LogQuery is what to read of a component's log.
type LogQuery struct {
	Component string
	Tail      int
	Since     time.Time // zero: however old
	Follow    bool
}

// Logs copies a log of a cluster's control plane to w, line by line.
func (c *Client) Logs(ctx context.Context, cluster string, q LogQuery, w io.Writer) error {
	v := url.Values{"component": {q.Component}, "tail": {strconv.Itoa(q.Tail)}}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339))
	}
	if q.Follow {
		v.Set("follow", "true")
	}
	return c.Stream(ctx, "/v1/clusters/"+cluster+"/logs?"+v.Encode(), w)
}

// Metrics copies the metrics of a cluster's control plane to w.
func (c *Client) Metrics(ctx context.Context, cluster string, w io.Writer) error {
	return c.Stream(ctx, "/v1/clusters/"+cluster+"/metrics", w)
}
