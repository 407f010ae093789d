import { api, body } from "../api/client";

export interface Credentials {
  email: string;
  password: string;
}

/** Gets a session whose secret is in a cookie that no script can read. */
export function logIn({ email, password, code }: Credentials & { code?: string }) {
  return body(api.POST("/v1/login", { body: { email, password, ...(code ? { code } : {}), cookie: true } }));
}

/** Has a mail sent, with a link to go on with. */
export function signUp(email: string) {
  return body(api.POST("/v1/signup", { body: { email } }));
}

/** Makes an account and an organization with the secret of the mail's link, and logs in. */
export function verify({ secret, password, name, organization }: { secret: string; password: string; name: string; organization: string }) {
  const given = { ...(name.trim() ? { name } : {}), ...(organization.trim() ? { organization } : {}) };
  return body(api.POST("/v1/signup/verify", { body: { secret, password, cookie: true, ...given } }));
}

/** Has a mail sent, with a link to choose a new password. */
export function forgot(email: string) {
  return body(api.POST("/v1/password/forgot", { body: { email } }));
}

/** Chooses a new password with the secret of the mail's link. */
export function reset(chosen: { secret: string; password: string }) {
  return body(api.POST("/v1/password/reset", { body: chosen }));
}

/** Changes the password of whoever is logged in. */
export function changePassword(chosen: { password: string; new_password: string }) {
  return body(api.POST("/v1/account/password", { body: chosen }));
}
