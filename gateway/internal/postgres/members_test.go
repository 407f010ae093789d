//go:build integration

package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/gateway/internal/postgres"
	"github.com/marina-cloud/marina/internal/tenant"
	"github.com/marina-cloud/marina/migrations/pg"
	"github.com/marina-cloud/marina/migrations/pgtest"
)

// joined adds a new person to an organization.
func joined(t *testing.T, db *pg.DB, org tenant.OrganizationID, role identity.Role) tenant.UserID {
	t.Helper()
	id := tenant.NewUserID()
	err := db.AsLogin(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO users (id, organization_id, email, password_hash) VALUES ($1, $2, $1 || '@example.com', '')", id, org)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	member(t, db, org, id, role)
	return id
}

func TestChangeMember(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	for name, tc := range map[string]struct {
		asker, from, to identity.Role // asker empty: the member themself
		want            error
		revoked         bool
	}{
		"Promote":       {identity.Admin, identity.Viewer, identity.Admin, nil, true},
		"Demote":        {identity.Admin, identity.Admin, identity.Developer, nil, true},
		"Same":          {identity.Admin, identity.Viewer, identity.Viewer, nil, false},
		"Remove":        {identity.Admin, identity.Admin, "", nil, true},
		"MakeOwner":     {identity.Owner, identity.Viewer, identity.Owner, nil, true},
		"RemoveOwner":   {identity.Owner, identity.Owner, "", nil, true},
		"AdminOwner":    {identity.Admin, identity.Owner, identity.Viewer, identity.ErrOwnerOnly, false},
		"AdminRemoves":  {identity.Admin, identity.Owner, "", identity.ErrOwnerOnly, false},
		"AdminPromotes": {identity.Admin, identity.Admin, identity.Owner, identity.ErrOwnerOnly, false},
		"SelfPromotion": {"", identity.Admin, identity.Owner, identity.ErrOwnerOnly, false},
		"Developer":     {identity.Developer, identity.Viewer, identity.Developer, identity.ErrNotPermitted, false},
		"Billing":       {identity.Billing, identity.Viewer, "", identity.ErrNotPermitted, false},
		"ViewerSelf":    {"", identity.Viewer, identity.Admin, identity.ErrNotPermitted, false},
		"Leave":         {"", identity.Viewer, "", nil, true},
		"OwnerLeaves":   {"", identity.Owner, "", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			ada, _ := signUp(t, s, strings.ToLower(name)+"@example.com")
			other := joined(t, s.DB, ada.Organization, tc.from)
			asker := other
			if tc.asker != "" {
				asker = joined(t, s.DB, ada.Organization, tc.asker)
			}
			revoked := false
			m, err := s.ChangeMember(t.Context(), by(ada), postgres.Membership{
				Asker: asker, Member: other, Role: tc.to, Revoke: func(pgx.Tx) error { revoked = true; return nil },
			})
			if !errors.Is(err, tc.want) || revoked != tc.revoked {
				t.Fatalf("error %v, revoked %v; want %v, %v", err, revoked, tc.want, tc.revoked)
			}
			is := tc.to
			if err != nil {
				is = tc.from
			} else if m.Role != tc.to || m.User != other {
				t.Errorf("changed to %+v", m)
			}
			all, err := s.Members(t.Context(), ada.Organization, "", 10)
			if err != nil {
				t.Fatal(err)
			}
			var now identity.Role
			for _, m := range all {
				if m.User == other {
					now = m.Role
				}
			}
			if now != is {
				t.Errorf("is %q now, want %q", now, is)
			}
		})
	}
}

// TestChangeMemberEndsWhatHungOnTheRole: tokens, and invitations by somebody who could
// not send them any more.
func TestChangeMemberEndsWhatHungOnTheRole(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	for to, want := range map[identity.Role]struct{ tokens, invitations int }{
		identity.Admin: {1, 1}, identity.Developer: {1, 0}, identity.Viewer: {0, 0}, identity.Billing: {0, 0}, "": {0, 0},
	} {
		ada, _ := signUp(t, s, "ada"+string(to)+"@example.com")
		other, _ := signUp(t, s, "other"+string(to)+"@example.com")
		member(t, s.DB, ada.Organization, other.ID, identity.Owner)
		theirs := identity.Token{ID: tenant.NewTokenID(), Organization: ada.Organization, User: other.ID, Name: "x", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		elsewhere := tokenOf(other, "elsewhere", time.Hour)
		for _, x := range []identity.Token{theirs, elsewhere} {
			if err := s.AddToken(t.Context(), postgres.By{Organization: x.Organization, Actor: string(other.ID)}, x, hash(string(x.ID))); err != nil {
				t.Fatal(err)
			}
		}
		err := s.DB.AsTenant(t.Context(), ada.Organization, func(tx pgx.Tx) error {
			const q = "INSERT INTO invitations (id, organization_id, email, role, hash, invited_by, created_at, expires_at) VALUES ($1, $2, $3, $3, $4, $5, now(), now())"
			for _, role := range []string{"owner", "viewer"} {
				id := tenant.NewInvitationID()
				if _, err := tx.Exec(t.Context(), q, id, ada.Organization, role, hash(string(id)), other.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		boom := errors.New("boom")
		for _, end := range []error{boom, nil} {
			_, err = s.ChangeMember(t.Context(), by(ada), postgres.Membership{Asker: ada.ID, Member: other.ID, Role: to, Revoke: func(pgx.Tx) error { return end }})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
			wanted := want
			if end != nil { // all or nothing
				wanted.tokens, wanted.invitations = 1, 2
			}
			of := fmt.Sprintf(" WHERE organization_id = '%s'", ada.Organization)
			if tokens, invitations := count(t, s.DB, "SELECT count(*) FROM tokens"+of), count(t, s.DB, "SELECT count(*) FROM invitations"+of); tokens != wanted.tokens || invitations != wanted.invitations {
				t.Errorf("%q leaves %d tokens and %d invitations, want %+v", to, tokens, invitations, wanted)
			}
		}
		if _, err := s.Authenticate(t.Context(), asks(string(elsewhere.ID), now)); err != nil {
			t.Errorf("their token of another organization: %v", err)
		}
	}
}

// TestLastOwner: however many owners go at the same time, one stays.
func TestLastOwner(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	ada, _ := signUp(t, s, "ada@example.com")
	owners := []tenant.UserID{ada.ID}
	for range 5 {
		owners = append(owners, joined(t, s.DB, ada.Organization, identity.Owner))
	}
	var all sync.WaitGroup
	errs := make(chan error, len(owners))
	for i, o := range owners {
		role := identity.Role("")
		if i%2 == 0 {
			role = identity.Viewer
		}
		all.Go(func() {
			_, err := s.ChangeMember(t.Context(), by(ada), postgres.Membership{Asker: o, Member: o, Role: role, Revoke: func(pgx.Tx) error { return nil }})
			errs <- err
		})
	}
	all.Wait()
	close(errs)
	refused := 0
	for err := range errs {
		if errors.Is(err, identity.ErrLastOwner) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if n := count(t, s.DB, "SELECT count(*) FROM memberships WHERE role = 'owner'"); n != 1 || refused != 1 {
		t.Errorf("%d owners are left, %d refused; want one", n, refused)
	}
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	s := &postgres.Identity{DB: pgtest.New(t)}
	ada, _ := signUp(t, s, "ada@example.com")
	eve := joined(t, s.DB, ada.Organization, identity.Admin)
	second := postgres.By{Organization: tenant.NewOrganizationID(), Actor: string(ada.ID)}
	if err := s.AddOrganization(t.Context(), second, ada.ID, "Second"); err != nil {
		t.Fatal(err)
	}
	if err := s.RenameOrganization(t.Context(), second, "Renamed"); err != nil {
		t.Fatal(err)
	}
	a, err := s.Account(t.Context(), ada.ID)
	if err != nil || len(a.Memberships) != 2 || a.Memberships[1] != (identity.Membership{Organization: second.Organization, Name: "Renamed", Role: identity.Owner}) {
		t.Errorf("organizations %+v, %v", a.Memberships, err)
	}
	var all sync.WaitGroup
	for range 2 * identity.MaxOrganizations { // all at once
		all.Go(func() {
			by := postgres.By{Organization: tenant.NewOrganizationID(), Actor: string(ada.ID)}
			if err := s.AddOrganization(t.Context(), by, ada.ID, "More"); err != nil && !errors.Is(err, identity.ErrManyOrganizations) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := count(t, s.DB, fmt.Sprintf("SELECT count(*) FROM memberships WHERE user_id = '%s'", ada.ID)); n != identity.MaxOrganizations {
		t.Errorf("a person owns %d organizations, want %d", n, identity.MaxOrganizations)
	}

	used := errors.New("used")
	free := func(pgx.Tx) error { return nil }
	for why, tc := range map[string]struct {
		who   tenant.UserID
		inUse func(pgx.Tx) error
		want  error
	}{
		"in use":   {ada.ID, func(pgx.Tx) error { return used }, used},
		"an admin": {eve, free, identity.ErrNotPermitted},
		"nobody":   {tenant.NewUserID(), free, identity.ErrNoOrganization},
	} {
		if err := s.DeleteOrganization(t.Context(), by(ada), tc.who, tc.inUse); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", why, err, tc.want)
		}
	}
	if err := s.DeleteOrganization(t.Context(), by(ada), ada.ID, free); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteOrganization(t.Context(), by(ada), ada.ID, free); !errors.Is(err, identity.ErrNoOrganization) {
		t.Errorf("deleted twice: %v", err)
	}
	if err := s.RenameOrganization(t.Context(), by(ada), "x"); !errors.Is(err, identity.ErrNoOrganization) {
		t.Errorf("renamed when it was gone: %v", err)
	}
	c, err := s.Authenticate(t.Context(), asks("ada@example.com", now))
	if err != nil || c.Organization == ada.Organization || c.Organization == "" {
		t.Errorf("ada acts in %q, %v", c.Organization, err)
	}
	log, err := (&postgres.AuditLog{DB: s.DB}).Entries(t.Context(), ada.Organization, postgres.AuditQuery{}, "", 1)
	if err != nil || len(log) != 1 || log[0].Action != "organization.delete" || log[0].Email != ada.Email {
		t.Errorf("the log ends with %+v, %v", log, err)
	}
}
