// Which organization this tab acts in. A person may look at two of them in two tabs.

const key = "organization";

export function chooseOrganization(id: string): void {
  sessionStorage.setItem(key, id);
}

export function chosenOrganization(): string | null {
  return sessionStorage.getItem(key);
}

export function forgetOrganization(): void {
  sessionStorage.removeItem(key);
}

/** The header that says so; none: the server takes the one chosen last. */
export function organizationHeader(): Record<string, string> {
  const id = chosenOrganization();
  return id ? { "Marina-Organization": id } : {};
}
