import type { Size } from "../api/client";

export function memory(mib: number): string {
  return mib % 1024 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

/** A size on disk, in the largest unit of which it is at least one. */
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(n) / 10)));
  return `${(n / 1024 ** at).toFixed(at > 2 ? 1 : 0)} ${units[at]}`;
}

export function sizeInWords(size: Size): string {
  return `${size.cpus} CPU${size.cpus === 1 ? "" : "s"} · ${memory(size.memory_mib)} · ${size.disk_gib} GiB disk`;
}

export function nodes(count: number): string {
  return count === 1 ? "1 node" : `${count} nodes`;
}
