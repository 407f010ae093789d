import { api, body } from "../api/client";

// What a provider has sent the browser back with. It is read before the router looks at
// the address, which takes 12e5 for a number.
const brought = new URLSearchParams(window.location.search);

// What was begun, for when the browser comes back: the server holds that to what it
// knows itself.
const begun = "marina-openid";

interface Begun {
  links: boolean; // to the person who is logged in
  next?: string; // where to go then
}

/** Sends the browser to a provider, where it is asked who the person is. */
export async function goToProvider(provider: string, what: Begun) {
  const begin = { body: { provider } };
  const { url } = await body(what.links ? api.POST("/v1/account/identities/begin", begin) : api.POST("/v1/login/openid/begin", begin));
  sessionStorage.setItem(begun, JSON.stringify(what));
  window.location.assign(url);
}

/** Takes what the provider has sent the browser back with to the server. */
export async function comeBack(provider: string): Promise<Begun> {
  const what = JSON.parse(sessionStorage.getItem(begun) ?? '{"links":false}') as Begun;
  sessionStorage.removeItem(begun);
  const issuer = brought.get("iss");
  const answer = { body: { provider, state: brought.get("state") ?? "", code: brought.get("code") ?? "", ...(issuer ? { issuer } : {}) } };
  await body<unknown>(what.links ? api.POST("/v1/account/identities", answer) : api.POST("/v1/login/openid", answer));
  return what;
}

/** Whether the person, or the provider, did not want to. */
export const turnedAway = brought.has("error");
