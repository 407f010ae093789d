package kms

import (
	"bytes"
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kmsapi "k8s.io/kms/apis/v2"

	"github.com/marina-cloud/marina/internal/seal"
	"github.com/marina-cloud/marina/internal/tenant"
)

// plugin answers one cluster's API server.
type plugin struct {
	kmsapi.UnimplementedKeyManagementServiceServer
	secrets Secrets
	id      tenant.ClusterID
}

// Status tells the API server whether keys can be used, and which version new
// data is sealed under; it asks every minute. It is found out by sealing and
// opening, so that "ok" means that the next Secret can be written and read.
func (p *plugin) Status(ctx context.Context, _ *kmsapi.StatusRequest) (*kmsapi.StatusResponse, error) {
	probe := []byte("probe")
	sealed, version, err := p.seal(ctx, probe)
	if err != nil {
		return nil, answer(err)
	}
	got, err := p.open(ctx, sealed)
	if err != nil {
		return nil, answer(err)
	}
	if !bytes.Equal(got, probe) {
		return nil, status.Error(codes.DataLoss, "the secret store returned something else than what was sealed")
	}
	return &kmsapi.StatusResponse{Version: "v2", Healthz: "ok", KeyId: version}, nil
}

// Encrypt seals a seed.
func (p *plugin) Encrypt(ctx context.Context, r *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
	sealed, version, err := p.seal(ctx, r.GetPlaintext())
	if err != nil {
		return nil, answer(err)
	}
	return &kmsapi.EncryptResponse{Ciphertext: sealed, KeyId: version}, nil
}

// Decrypt opens a seed. The version that the API server remembers is not needed:
// it is part of the ciphertext.
func (p *plugin) Decrypt(ctx context.Context, r *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
	plaintext, err := p.open(ctx, r.GetCiphertext())
	if err != nil {
		return nil, answer(err)
	}
	return &kmsapi.DecryptResponse{Plaintext: plaintext}, nil
}

func (p *plugin) seal(ctx context.Context, plaintext []byte) (sealed []byte, version string, err error) {
	sealed, err = p.secrets.Seal(ctx, keyName(p.id), plaintext, p.additional())
	if err != nil {
		return nil, "", err
	}
	version, err = seal.Version(sealed)
	return sealed, version, err
}

func (p *plugin) open(ctx context.Context, sealed []byte) ([]byte, error) {
	return p.secrets.Open(ctx, keyName(p.id), sealed, p.additional())
}

func (p *plugin) additional() []byte { return []byte("kubernetes-secrets/" + string(p.id)) }

// answer is an error as a tenant may see it: it may end up in the API server's
// log and in answers to its users.
func answer(err error) error {
	switch {
	case errors.Is(err, seal.ErrRefused):
		return status.Error(codes.InvalidArgument, "the data was altered, or was not encrypted for this cluster")
	case errors.Is(err, seal.ErrNoKey):
		return status.Error(codes.FailedPrecondition, "the key of this cluster was destroyed")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	default:
		return status.Error(codes.Unavailable, "the secret store does not answer; try again later")
	}
}
