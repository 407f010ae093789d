import { look } from "../look.mjs";
import { run } from "./terminal.mjs";

const image = "marina.local/agnhost:2.66.1"; // which is on every node of the tests

/** What runs in a cluster. It begins in its terminal. */
export async function workloads({ page, dir, step, tab }) {
  await step("what is started in the terminal is among the workloads", async () => {
    await run(page, "kubectl create namespace shop", "namespace/shop created");
    await run(page, `kubectl -n shop run web --image=${image} -- netexec`, "pod/web created");
    await run(page, "kubectl -n shop run broken --image=marina.local/none:1", "pod/broken created");
    await tab("Workloads");
    await page.getByLabel("Namespace").first().click();
    await page.getByRole("option", { name: "shop", exact: true }).click();
    const pod = (name) => page.getByRole("row").filter({ has: page.getByRole("cell", { name, exact: true }) });
    await pod("web").getByText("Running", { exact: true }).waitFor({ timeout: 60_000 });
    await pod("broken").getByText(/ErrImagePull|ImagePullBackOff/).waitFor({ timeout: 60_000 });
    await page.getByRole("region", { name: "Events" }).getByText("Pod/broken").first().waitFor();
    return look(page, dir, "workloads");
  });
  await step("an empty namespace says how to fill it", async () => {
    await page.goto(page.url().replace("namespace=shop", "namespace=nothing"));
    await page.getByText("No pods in nothing").waitFor();
    return look(page, dir, "workloads-empty");
  });
}
