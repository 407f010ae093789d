import { api, body } from "../api/client";

export interface Credentials {
  email: string;
  password: string;
}

/** Gets a session whose secret is in a cookie that no script can read. */
export function logIn({ email, password }: Credentials) {
  return body(api.POST("/v1/login", { body: { email, password, cookie: true } }));
}

/** Makes an account and an organization, and logs in. */
export async function signUp({ email, password, organization }: Credentials & { organization: string }) {
  const made = await body(api.POST("/v1/signup", { body: { email, password, ...(organization.trim() ? { organization } : {}) } }));
  const account = await logIn({ email, password });
  // The session that came with the account is for programs: nobody here uses it.
  await body(api.DELETE("/v1/sessions/{session_id}", { params: { path: { session_id: made.token.id } } }));
  return account;
}
