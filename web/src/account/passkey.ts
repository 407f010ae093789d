import { api, body } from "../api/client";
import type { Problem } from "../api/problem";

/** Whether this browser knows passkeys. */
export const passkeysWork = typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential;

/** Logs in with a passkey that a device of this person has. */
export async function logInWithPasskey() {
  const { options } = await body(api.POST("/v1/login/passkey/begin"));
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON);
  const { id, response } = await asked<{ clientDataJSON: string; authenticatorData: string; signature: string; userHandle?: string }>(() => navigator.credentials.get({ publicKey }));
  return body(api.POST("/v1/login/passkey", {
    body: {
      id, client_data: response.clientDataJSON, authenticator_data: response.authenticatorData, signature: response.signature,
      user: response.userHandle ?? "", cookie: true,
    },
  }));
}

/** Makes a passkey on a device that the person chooses. */
export async function addPasskey(name: string) {
  const { options } = await body(api.POST("/v1/account/passkeys/begin"));
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON);
  const { id, response } = await asked<{ clientDataJSON: string; attestationObject: string; transports: string[] }>(() => navigator.credentials.create({ publicKey }));
  return body(api.POST("/v1/account/passkeys", {
    body: { name, id, client_data: response.clientDataJSON, attestation: response.attestationObject, transports: response.transports },
  }));
}

/** What the device answers; a problem where it, or the person, refuses. */
async function asked<Response>(ask: () => Promise<Credential | null>): Promise<{ id: string; response: Response }> {
  try {
    const credential = (await ask()) as PublicKeyCredential;
    return credential.toJSON();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    const known = error.name === "InvalidStateError";
    throw problem(known ? "This device has a passkey for Marina already." : "No passkey was used. Try again, or do it another way.");
  }
}

function problem(detail: string): Problem {
  return { type: "about:blank", title: "Passkey", status: 0, code: "passkey_not_used", detail };
}
