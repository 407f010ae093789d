import type { Size } from "../api/client";

export function memory(mib: number): string {
  return mib % 1024 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

export function sizeInWords(size: Size): string {
  return `${size.cpus} CPU${size.cpus === 1 ? "" : "s"} · ${memory(size.memory_mib)} · ${size.disk_gib} GiB disk`;
}

export function nodes(count: number): string {
  return count === 1 ? "1 node" : `${count} nodes`;
}
