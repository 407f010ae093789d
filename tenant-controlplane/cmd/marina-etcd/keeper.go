package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/storage"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// usualLook is how often the keeper looks.
const usualLook = time.Second

// keeper keeps a running etcd's database in order: what an operator would do by
// hand, with etcdctl, when it is full.
type keeper struct {
	server *etcdserver.EtcdServer
	quota  int64
	look   time.Duration
	copies *copies
	count  *count
	log    *zap.Logger
}

// run works until ctx is done.
func (k *keeper) run(ctx context.Context) {
	tick := time.NewTicker(k.look)
	defer tick.Stop()
	m := memory{started: time.Now(), before: k.see(ctx)}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s := k.see(ctx)
		if c := choreFor(s, m, k.look); c != 0 {
			if err := k.do(ctx, c, s, &m); err != nil && ctx.Err() == nil {
				k.log.Warn("upkeep of the database failed", zap.Error(err))
			}
			s = k.see(ctx)
		}
		m.before = s
	}
}

func (k *keeper) see(ctx context.Context) seen {
	kv, be := k.server.KV(), k.server.Backend()
	s := seen{
		at: time.Now(), size: be.Size(), used: be.SizeInUse(), quota: k.quota,
		revision: kv.Rev(), compacted: kv.FirstRev(), full: isFull(k.server), copying: k.copies.n.Load() > 0,
	}
	if s.size >= part(s.quota, 70) { // else nobody needs to know
		s.keys = k.count.get(ctx, k.server.KV())
	}
	return s
}

// do does a chore, and notes it whether it worked or not: what failed is not tried
// again at once.
func (k *keeper) do(ctx context.Context, c chore, s seen, m *memory) error {
	began := time.Now()
	switch c {
	case compact:
		_, err := k.server.Compact(ctx, &pb.CompactionRequest{Revision: m.before.revision, Physical: true})
		freed := s.used - k.server.Backend().SizeInUse()
		m.compacted = mark{at: time.Now(), keys: s.keys, freed: freed}
		if err != nil {
			return fmt.Errorf("compact to revision %d: %w", m.before.revision, err)
		}
		k.log.Info("compacted a database that is nearly full", zap.Int64("freed", freed), zap.Duration("took", time.Since(began)))
	case pack:
		err := k.server.Defragment()
		m.packed = time.Now()
		if err != nil {
			return fmt.Errorf("defragment: %w", err)
		}
		k.log.Info("defragmented", zap.Int64("before", s.size), zap.Int64("after", k.server.Backend().Size()), zap.Duration("took", time.Since(began)))
	case disarm:
		_, err := k.server.Alarm(ctx, &pb.AlarmRequest{
			MemberID: uint64(k.server.MemberID()), Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE,
		})
		if err != nil {
			return fmt.Errorf("lower the alarm: %w", err)
		}
		k.log.Info("there is room again, the alarm is lowered", zap.Int64("size", s.size), zap.Int64("quota", s.quota))
	}
	return nil
}

func isFull(s *etcdserver.EtcdServer) bool {
	return slices.ContainsFunc(s.Alarms(), func(a *pb.AlarmMember) bool { return a.Alarm == pb.AlarmType_NOSPACE })
}

// quotaOf is the quota that etcd makes of a flag.
func quotaOf(flag int64) int64 {
	if flag == 0 {
		return storage.DefaultQuotaBytes
	}
	return flag
}

// copies counts those who are being sent a copy of the database: to defragment would
// wait for them, and everybody else for that.
type copies struct{ n atomic.Int64 }

func (c *copies) intercept(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
	if info.FullMethod == pb.Maintenance_Snapshot_FullMethodName {
		c.n.Add(1)
		defer c.n.Add(-1)
	}
	return h(srv, ss)
}
