import type { Wanted } from "../words/money";

export interface WantedPool extends Wanted {
  name: string;
}

export interface WantedCluster {
  name: string;
  version: string;
  podCIDR: string;
  serviceCIDR: string;
  pools: WantedPool[];
}

const bare = /^[\w.:/=@-]+$/;

/** A word as a shell reads it back. */
export function quote(word: string): string {
  return bare.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The command lines that ask for the same as the form. */
export function asCommands(w: WantedCluster): string {
  const name = quote(w.name || "NAME");
  const lines = [`marina clusters create ${name} --version ${quote(w.version)} --pod-cidr ${quote(w.podCIDR)} --service-cidr ${quote(w.serviceCIDR)} --wait`];
  for (const p of w.pools) lines.push(`marina pools create ${name} ${quote(p.name || "POOL")} --size ${quote(p.size)} --count ${p.count} --wait`);
  return lines.join("\n");
}

/** The requests that ask for the same as the form, for curl. */
export function asRequests(w: WantedCluster, server: string): string {
  const post = (path: string, body: object) =>
    `curl ${server}${path} \\\n  -H "Authorization: Bearer $MARINA_TOKEN" \\\n  -H 'Content-Type: application/json' \\\n  -d ${quote(JSON.stringify(body))}`;
  const requests = [post("/v1/clusters", { name: w.name, version: w.version, pod_cidr: w.podCIDR, service_cidr: w.serviceCIDR })];
  for (const p of w.pools) requests.push(post("/v1/clusters/CLUSTER_ID/node-pools", { name: p.name, size: p.size, count: p.count }));
  return requests.join("\n\n");
}
