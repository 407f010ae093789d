package kms

import (
	"context"
	"path"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kmsapi "k8s.io/kms/apis/v2"
)

func newMetrics() *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "marina_kms_request_duration_seconds", Buckets: []float64{.0005, .001, .005, .025, .1, .5, 1, 3},
		Help: "Requests of API servers to seal and open the seeds of their Secrets' keys, by operation and gRPC status code.",
	}, []string{"operation", "code"})
	for _, m := range kmsapi.KeyManagementService_ServiceDesc.Methods {
		v.WithLabelValues(m.MethodName, codes.OK.String())
		v.WithLabelValues(m.MethodName, codes.Unavailable.String())
	}
	return v
}

// Metrics shows the requests of all clusters together.
func (s *Server) Metrics() prometheus.Collector { return s.metrics }

func (s *Server) measure(ctx context.Context, r any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	begun := time.Now()
	answer, err := handle(ctx, r)
	s.metrics.WithLabelValues(path.Base(info.FullMethod), status.Code(err).String()).Observe(time.Since(begun).Seconds())
	return answer, err
}
