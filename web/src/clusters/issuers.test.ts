import { describe, expect, it } from "vitest";

import { fresh, loginCommands, simple, written } from "./issuers";

const filled = { ...fresh, url: "https://login.example.com", client: "kubernetes" };

describe("the form of an issuer", () => {
  it("shows what it wrote", () => {
    expect(simple({ jwt: [written(filled)] })).toEqual(filled);
    expect(simple({ jwt: [written({ ...filled, groups: "" })] })).toEqual({ ...filled, groups: "" });
    expect(simple({ jwt: [] })).toEqual(fresh);
  });

  it("does not show what it would lose", () => {
    const issuer = written(filled);
    expect(simple({ jwt: [issuer, written({ ...filled, url: "https://other.example.com" })] })).toBeUndefined();
    expect(simple({ jwt: [{ ...issuer, userValidationRules: [{ expression: "true" }] }] })).toBeUndefined();
    expect(simple({ jwt: [{ ...issuer, issuer: { ...issuer.issuer, certificateAuthority: "x" } }] })).toBeUndefined();
    expect(simple({ jwt: [{ ...issuer, claimMappings: { username: { expression: "claims.sub" } } }] })).toBeUndefined();
  });

  it("takes what was typed without spaces around it", () => {
    expect(written({ ...filled, url: " https://login.example.com " }).issuer.url).toBe("https://login.example.com");
  });
});

describe("how people log in", () => {
  it("names issuer, client and user", () => {
    const text = loginCommands("demo", written(filled));
    expect(text).toContain("--oidc-issuer-url=https://login.example.com ");
    expect(text).toContain("--oidc-client-id=kubernetes\n");
    expect(text).toContain("--user=oidc:SOMEBODY ");
  });

  it("quotes what a shell would take apart", () => {
    expect(loginCommands("demo", written({ ...filled, client: "a'; rm" }))).toContain(`--oidc-client-id='a'\\''; rm'`);
  });
});
