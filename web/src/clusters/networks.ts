/** The bytes of an address of IPv4 or IPv6, as people write it; undefined when it is none. */
function bytes(address: string): number[] | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) {
    const all = address.split(".").map(Number);
    return all.every((b) => b < 256) ? all : undefined;
  }
  const halves = address.split("::");
  if (!/^[0-9a-f:]+$/i.test(address) || !address.includes(":") || halves.length > 2) return undefined;
  const [front = [], back = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - front.length - back.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...front, ...Array<string>(missing).fill("0"), ...back];
  if (!groups.every((g) => /^[0-9a-f]{1,4}$/i.test(g))) return undefined;
  return groups.flatMap((g) => [Number.parseInt(g, 16) >> 8, Number.parseInt(g, 16) & 255]);
}

/**
 * Whether a network, in CIDR notation or as a single address, holds an address;
 * undefined when it is no network. The server decides; this only warns before it does.
 */
export function holds(network: string, address: string): boolean | undefined {
  const [base = "", length, ...rest] = network.trim().split("/");
  const from = bytes(base);
  const bits = length === undefined ? (from?.length ?? 0) * 8 : Number(length);
  if (!from || rest.length > 0 || length === "" || !Number.isInteger(bits) || bits < 0 || bits > from.length * 8) return undefined;
  const at = bytes(address);
  if (!at || at.length !== from.length) return false;
  return from.every((b, i) => {
    const mask = 0xff00 >> Math.min(8, Math.max(0, bits - i * 8));
    return ((b ^ (at[i] ?? 0)) & mask & 0xff) === 0;
  });
}

/** Whether somebody at an address would be locked out: no network holds it, and each of them is one. */
export function locksOut(networks: string[], address: string): boolean {
  return networks.length > 0 && networks.every((n) => holds(n, address) === false);
}
