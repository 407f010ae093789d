let taken = "";

/**
 * The secret of the link that led here. It stands in the fragment of the address, which
 * no browser sends anywhere, and is taken out of it, so that it stays in no history and
 * no picture of the screen.
 */
export function takeSecret(): string {
  const found = window.location.hash.slice(1);
  if (found) {
    taken = found;
    window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search);
  }
  return taken;
}

/** Forgets the secret: it was used. */
export function forgetSecret() {
  taken = "";
}
