import { api, body, type Cluster } from "../api/client";
import { isProblem } from "../api/problem";

export type SettingsOf = Pick<Cluster, "name" | "deletion_protection">;

/** Somebody else changed what a person was about to change. */
export class Conflict extends Error {
  constructor(readonly now: Cluster) {
    super("Somebody else has changed these settings meanwhile. They are shown as they are now: look again, and repeat your change if you still want it.");
  }
}

const attempts = 5;

/**
 * Changes settings of a cluster if they still are what the person has seen. The entity
 * tag is of all that is shown of a cluster: where only its state is another by now, the
 * change is sent again.
 */
export async function changeSettings(id: string, seen: SettingsOf, change: Partial<SettingsOf>): Promise<Cluster> {
  const path = { cluster_id: id };
  for (let n = 1; ; n++) {
    const answer = await api.GET("/v1/clusters/{cluster_id}", { params: { path } });
    const now = await body(Promise.resolve(answer));
    if (now.name !== seen.name || now.deletion_protection !== seen.deletion_protection) throw new Conflict(now);
    try {
      return await body(api.PATCH("/v1/clusters/{cluster_id}", { params: { path, header: { "If-Match": answer.response.headers.get("ETag") ?? undefined } }, body: change }));
    } catch (error) {
      if (n === attempts || !isProblem(error) || error.status !== 412) throw error;
    }
  }
}
