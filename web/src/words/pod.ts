import type { Pod } from "../api/client";
import type { Tone } from "./phase";

const waiting = /^(Pending|ContainerCreating|PodInitializing|Terminating|SchedulingGated|NotReady|Init:\d+\/\d+)$/;
const over = /^(Completed|Succeeded)$/;

/** How a pod's status is to be taken. The words are the cluster's own. */
export function podTone({ status, ready }: Pick<Pod, "status" | "ready">): Tone {
  if (over.test(status)) return "none";
  if (waiting.test(status)) return "wait";
  if (status !== "Running") return "bad";
  const [good, all] = ready.split("/");
  return good === all ? "good" : "wait";
}
