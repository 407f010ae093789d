//go:build integration

package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/marina-cloud/marina/gateway"
	"github.com/marina-cloud/marina/gateway/identity"
	"github.com/marina-cloud/marina/internal/tenant"
)

type invitation struct {
	ID        string
	Email     string
	Role      identity.Role
	Inviter   string
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (a *api) invite(t *testing.T, who account, email string, role identity.Role) answer {
	t.Helper()
	return a.do(t, "POST", "/v1/invitations", fmt.Sprintf(`{"email":%q,"role":%q}`, email, role), who.bearer()...)
}

func (a *api) invited(t *testing.T, who account) (all []invitation) {
	t.Helper()
	var got struct{ Items []invitation }
	a.do(t, "GET", "/v1/invitations", "", who.bearer()...).decode(t, http.StatusOK, &got)
	return got.Items
}

func secretBody(secret, more string) string { return fmt.Sprintf(`{"secret":%q%s}`, secret, more) }

// TestInvitation: invited, shown, accepted by an account that exists, and used up.
func TestInvitation(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, grace := a.signUp(t, "ada@example.com"), a.signUp(t, "grace@example.com")
	a.do(t, "PATCH", "/v1/organization", `{"name":"<script>alert(1)</script>"}`, ada.bearer()...).decode(t, http.StatusOK, &struct{}{})
	var x invitation
	made := a.invite(t, ada, " Grace@example.com", identity.Developer)
	made.errorsAt(t, "body.email") // no address has a space
	made = a.invite(t, ada, "Grace@example.com", identity.Developer)
	made.decode(t, http.StatusCreated, &x)
	secret := a.link(t, "grace@example.com")
	if x.Email != "grace@example.com" || x.Inviter != ada.Email || x.ExpiresAt.Sub(x.CreatedAt).Round(time.Minute) != 7*24*time.Hour {
		t.Errorf("invitation %+v", x)
	}
	if all := a.invited(t, ada); len(all) != 1 || all[0].ID != x.ID {
		t.Errorf("invitations %+v", all)
	}
	var shown struct {
		Organization, Inviter string
		Role                  identity.Role
		HasAccount            bool `json:"has_account"`
	}
	got := a.do(t, "POST", "/v1/invitations/show", secretBody(secret, ""))
	got.decode(t, http.StatusOK, &shown)
	if shown.Organization != "<script>alert(1)</script>" || shown.Inviter != ada.Email || shown.Role != identity.Developer || !shown.HasAccount || strings.Contains(got.body, "grace") {
		t.Errorf("shown %s", got.body)
	}
	a.do(t, "POST", "/v1/invitations/signup", secretBody(secret, `,"password":"`+password+`"`)).problem(t, http.StatusConflict, "email_taken")
	a.do(t, "POST", "/v1/invitations/accept", secretBody(secret, ""), grace.bearer()...).decode(t, http.StatusOK, &struct{}{})
	if roles := a.roles(t, ada); roles[string(grace.User)] != identity.Developer {
		t.Errorf("members %v", roles)
	}
	if all := a.invited(t, ada); len(all) != 0 {
		t.Errorf("accepted, and still there: %+v", all)
	}
	a.do(t, "POST", "/v1/invitations/accept", secretBody(secret, ""), grace.bearer()...).problem(t, http.StatusUnprocessableEntity, "link_not_good") // replayed
	a.invite(t, ada, "grace@example.com", identity.Admin).problem(t, http.StatusConflict, "member_already")
	a.do(t, "GET", "/v1/clusters", "", append(grace.bearer(), "Marina-Organization", string(ada.Organization))...).decode(t, http.StatusOK, &list{})
	log := a.do(t, "GET", "/v1/audit?action=invitation", "", ada.bearer()...).body
	if strings.Count(log, `"action":"invitation.`) != 2 || strings.Contains(log, secret) || strings.Contains(made.body, secret) || strings.Contains(a.log.String(), secret) {
		t.Errorf("the log: %s", log)
	}
}

// TestInvitedSignUp: whoever has no account makes one with the link, for the address
// to which it was sent.
func TestInvitedSignUp(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada := a.signUp(t, "ada@example.com")
	a.invite(t, ada, "grace@example.com", identity.Viewer).decode(t, http.StatusCreated, &invitation{})
	secret := a.link(t, "grace@example.com")
	a.do(t, "POST", "/v1/invitations/signup", secretBody(secret, `,"password":"short","name":"a\nb"`)).errorsAt(t, "body.password", "body.name")
	var grace account
	a.do(t, "POST", "/v1/invitations/signup", secretBody(secret, `,"password":"`+password+`","name":"Grace"`)).decode(t, http.StatusCreated, &grace)
	if grace.Email != "grace@example.com" || grace.Organization != ada.Organization {
		t.Errorf("signed up as %+v", grace)
	}
	a.do(t, "POST", "/v1/clusters", `{"name":"x"}`, grace.bearer()...).problem(t, http.StatusForbidden, "not_permitted")
	a.do(t, "POST", "/v1/login", `{"email":"grace@example.com","password":"`+password+`"}`).decode(t, http.StatusCreated, &struct{}{})
	a.do(t, "POST", "/v1/invitations/signup", secretBody(secret, `,"password":"`+password+`"`)).problem(t, http.StatusUnprocessableEntity, "link_not_good")
}

// TestInvitationAttacks: who is not meant gets nowhere.
func TestInvitationAttacks(t *testing.T) {
	t.Parallel()
	a := start(t)
	ada, eve := a.signUp(t, "ada@example.com"), a.signUp(t, "eve@example.com")
	admin := a.member(t, ada.Organization, identity.Admin)
	for _, role := range []identity.Role{identity.Developer, identity.Viewer, identity.Billing} {
		a.invite(t, a.member(t, ada.Organization, role), "x@example.com", identity.Viewer).problem(t, http.StatusForbidden, "not_permitted")
	}
	a.invite(t, admin, "x@example.com", identity.Owner).problem(t, http.StatusForbidden, "not_permitted")
	a.invite(t, admin, "not an address", "root").errorsAt(t, "body.email", "body.role")
	if n := len(a.letters(t, "x@example.com")); n != 0 {
		t.Errorf("%d mails were sent by who may not invite", n)
	}

	// Another address, which is not told whose it is.
	var x invitation
	a.invite(t, ada, "grace@example.com", identity.Owner).decode(t, http.StatusCreated, &x)
	secret := a.link(t, "grace@example.com")
	got := a.do(t, "POST", "/v1/invitations/accept", secretBody(secret, ""), eve.bearer()...)
	got.problem(t, http.StatusForbidden, "invitation_for_another")
	if strings.Contains(got.body, "grace") {
		t.Errorf("the refusal says for whom it is: %s", got.body)
	}
	if roles := a.roles(t, ada); roles[string(eve.User)] != "" {
		t.Errorf("eve is in: %v", roles)
	}
	for _, guess := range []string{"", "nothing", identity.NewSecret(), secret[:len(secret)-1], x.ID} {
		a.do(t, "POST", "/v1/invitations/accept", secretBody(guess, ""), eve.bearer()...).problem(t, http.StatusUnprocessableEntity, "link_not_good")
		a.do(t, "POST", "/v1/invitations/show", secretBody(guess, "")).problem(t, http.StatusUnprocessableEntity, "link_not_good")
		a.do(t, "POST", "/v1/invitations/signup", secretBody(guess, `,"password":"`+password+`"`)).problem(t, http.StatusUnprocessableEntity, "link_not_good")
	}

	// An admin does not renew what an owner gave; another organization sees nothing.
	a.do(t, "POST", "/v1/invitations/"+x.ID+"/resend", "", admin.bearer()...).problem(t, http.StatusForbidden, "not_permitted")
	a.do(t, "POST", "/v1/invitations/"+x.ID+"/resend", "", eve.bearer()...).problem(t, http.StatusNotFound, "invitation_not_found")
	a.do(t, "DELETE", "/v1/invitations/"+x.ID, "", eve.bearer()...).problem(t, http.StatusNotFound, "invitation_not_found")
	if len(a.invited(t, eve)) != 0 {
		t.Error("another organization's invitations are listed")
	}

	// A renewed invitation has one good link, a revoked one none.
	a.invite(t, ada, "grace@example.com", identity.Viewer).problem(t, http.StatusConflict, "invited_already")
	a.do(t, "POST", "/v1/invitations/"+x.ID+"/resend", "", ada.bearer()...).decode(t, http.StatusOK, &struct{}{})
	renewed := a.link(t, "grace@example.com")
	a.do(t, "POST", "/v1/invitations/show", secretBody(secret, "")).problem(t, http.StatusUnprocessableEntity, "link_not_good")
	a.do(t, "POST", "/v1/invitations/show", secretBody(renewed, "")).decode(t, http.StatusOK, &struct{}{})
	if got := a.do(t, "DELETE", "/v1/invitations/"+x.ID, "", admin.bearer()...); got.status != http.StatusNoContent {
		t.Errorf("revoke: %d %s", got.status, got.body)
	}
	a.do(t, "POST", "/v1/invitations/show", secretBody(renewed, "")).problem(t, http.StatusUnprocessableEntity, "link_not_good")

	// Past its time.
	a.invite(t, ada, "late@example.com", identity.Viewer).decode(t, http.StatusCreated, &x)
	late := a.link(t, "late@example.com")
	err := a.db.AsTenant(t.Context(), ada.Organization, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE invitations SET expires_at = now() WHERE id = $1", x.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a.do(t, "POST", "/v1/invitations/signup", secretBody(late, `,"password":"`+password+`"`)).problem(t, http.StatusUnprocessableEntity, "link_not_good")
	a.invite(t, ada, "late@example.com", identity.Viewer).decode(t, http.StatusCreated, &x) // what is over is in nobody's way
	a.do(t, "POST", "/v1/invitations/"+string(tenant.NewInvitationID())+"/resend", "", ada.bearer()...).problem(t, http.StatusNotFound, "invitation_not_found")

	// Who invited them is gone, and so is what they gave to their friends.
	friend := a.member(t, ada.Organization, identity.Admin)
	a.invite(t, friend, "friend@example.com", identity.Admin).decode(t, http.StatusCreated, &x)
	given := a.link(t, "friend@example.com")
	a.do(t, "DELETE", "/v1/members/"+string(friend.User), "", ada.bearer()...)
	a.do(t, "POST", "/v1/invitations/signup", secretBody(given, `,"password":"`+password+`"`)).problem(t, http.StatusUnprocessableEntity, "link_not_good")
}

// TestInvitationsAreNoSpam: nobody gets many mails that an organization has sent.
func TestInvitationsAreNoSpam(t *testing.T) {
	t.Parallel()
	a := startWith(t, func(d *gateway.Deps) { d.Limits.Letters = gateway.Rate{PerSecond: 1. / 3600, Burst: 2} })
	ada := a.signUp(t, "ada@example.com")
	var x invitation
	a.invite(t, ada, "grace@example.com", identity.Viewer).decode(t, http.StatusCreated, &x)
	a.do(t, "POST", "/v1/invitations/"+x.ID+"/resend", "", ada.bearer()...).decode(t, http.StatusOK, &struct{}{})
	a.do(t, "POST", "/v1/invitations/"+x.ID+"/resend", "", ada.bearer()...).problem(t, http.StatusTooManyRequests, "too_many_requests")
	a.note(t, ada, "invitation.create", identity.MaxInvitationMails-2)
	a.invite(t, ada, "x@example.com", identity.Viewer).problem(t, http.StatusForbidden, "invitation_quota")
	if n := len(a.letters(t, "x@example.com")) + len(a.letters(t, "grace@example.com")); n != 2 {
		t.Errorf("%d mails were sent", n)
	}
}
