import { ActionIcon, Button, Group, Modal, NumberInput, Stack, Table, Text, Title } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";

import { usePermission } from "../account/permission";
import { api, body, type Node, type Pool } from "../api/client";
import { answered } from "../api/changes";
import { wrongFields } from "../api/problem";
import { nodesQuery, optionsQuery, poolsQuery } from "../api/queries";
import { Failure } from "../parts/Failure";
import { PlusIcon, TrashIcon } from "../parts/icons";
import { Empty, Panel } from "../parts/Page";
import { Status } from "../parts/Status";
import { Wide } from "../parts/Wide";
import { nodePhase, poolPhase } from "../words/phase";
import { nodes as inWords } from "../words/size";
import { dateAndTime } from "../words/time";
import { AddPool } from "./AddPool";

const route = getRouteApi("/inside/clusters/$id");

export function Nodes() {
  const { id } = route.useParams();
  const { data: options } = useSuspenseQuery(optionsQuery);
  const { data: pools } = useSuspenseQuery(poolsQuery(id));
  const { data: nodes } = useSuspenseQuery(nodesQuery(id));
  const may = usePermission("clusters:write");
  const [adding, setAdding] = useState(false);
  const add = may ? <Button leftSection={<PlusIcon />} onClick={() => setAdding(true)}>Add a node pool</Button> : null;
  return (
    <Stack gap="lg">
      <AddPool cluster={id} options={options} pools={pools} opened={adding} onClose={() => setAdding(false)} />
      {pools.length === 0 ? (
        <Panel><Empty title="No nodes yet" action={add}>Pods need nodes to run on. A pool is a set of equal nodes, which you make larger and smaller as you need it.</Empty></Panel>
      ) : (
        <>
          <Group justify="space-between"><Text c="dimmed">{inWords(nodes.length)} in {pools.length === 1 ? "one pool" : `${pools.length} pools`}</Text>{add}</Group>
          {pools.map((pool) => <OnePool key={pool.id} cluster={id} pool={pool} nodes={nodes.filter((n) => n.pool_id === pool.id)} max={options.max_pool_count} may={may} />)}
        </>
      )}
    </Stack>
  );
}

interface OnePoolProps {
  cluster: string;
  pool: Pool;
  nodes: Node[];
  max: number;
  may: boolean;
}

function OnePool({ cluster, pool, nodes, max, may }: OnePoolProps) {
  const [dialog, setDialog] = useState<"resize" | "delete">();
  const close = () => setDialog(undefined);
  const going = pool.phase === "deleting";
  return (
    <section className="panel" aria-label={`Node pool ${pool.name}`}>
      <Group justify="space-between" px="md" py="sm">
        <Group gap="md"><Title order={2}>{pool.name}</Title><Status {...poolPhase(pool.phase)} /><Text c="dimmed">{pool.size} · {inWords(pool.count)}</Text></Group>
        {may && !going ? (
          <Group gap="xs">
            <Button size="xs" variant="default" onClick={() => setDialog("resize")}>Resize</Button>
            <ActionIcon variant="subtle" color="gray" size={30} onClick={() => setDialog("delete")} aria-label={`Delete the pool ${pool.name}`}><TrashIcon /></ActionIcon>
          </Group>
        ) : null}
      </Group>
      <Wide label={`Nodes of ${pool.name}`}>
        <Table verticalSpacing="xs" horizontalSpacing="md">
          <Table.Thead><Table.Tr><Table.Th>Node</Table.Th><Table.Th>Status</Table.Th><Table.Th>Address</Table.Th><Table.Th visibleFrom="sm">Created</Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {nodes.length === 0 ? <Table.Tr><Table.Td colSpan={4}><Text c="dimmed">{pool.count === 0 ? "The pool is empty." : "Machines are being made."}</Text></Table.Td></Table.Tr> : null}
            {nodes.map((n) => (
              <Table.Tr key={n.id}>
                <Table.Td fw={500}>{n.name}</Table.Td>
                <Table.Td><Status {...nodePhase(n)} />{!n.ready && n.message ? <Text size="xs" c="dimmed">{n.message}</Text> : null}</Table.Td>
                <Table.Td>{n.address || "–"}</Table.Td>
                <Table.Td visibleFrom="sm">{dateAndTime(n.created_at)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      <Modal opened={dialog === "resize"} onClose={close} title={`Resize ${pool.name}`} centered><Resize cluster={cluster} pool={pool} max={max} done={close} /></Modal>
      <Modal opened={dialog === "delete"} onClose={close} title={`Delete ${pool.name}?`} centered><Remove cluster={cluster} pool={pool} count={nodes.length} done={close} /></Modal>
    </section>
  );
}

interface DialogProps {
  cluster: string;
  pool: Pool;
  done: () => void;
}

function Resize({ cluster, pool, max, done }: DialogProps & { max: number }) {
  const [count, setCount] = useState(pool.count);
  const queries = useQueryClient();
  const resize = useMutation({
    mutationFn: () => body(api.PATCH("/v1/clusters/{cluster_id}/node-pools/{pool_id}", { params: { path: { cluster_id: cluster, pool_id: pool.id } }, body: { count } })),
    onMutate: () => performance.now(),
    onSuccess: (changed, _, sent) => { answered(queries, sent, { kind: "pool", pool: changed }, cluster); done(); },
  });
  const submit = (e: FormEvent) => { e.preventDefault(); resize.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Failure error={resize.error} fields={["count"]} />
        <NumberInput label="Nodes" data-autofocus value={count} onChange={(n) => setCount(Number(n) || 0)} min={0} max={max} allowDecimal={false} error={wrongFields(resize.error).count} description={count < pool.count ? `${inWords(pool.count - count)} will be drained and removed.` : `It has ${inWords(pool.count)} now.`} />
        <Group justify="flex-end"><Button variant="default" onClick={done}>Cancel</Button><Button type="submit" loading={resize.isPending} disabled={count === pool.count}>Resize</Button></Group>
      </Stack>
    </form>
  );
}

function Remove({ cluster, pool, count, done }: DialogProps & { count: number }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => body(api.DELETE("/v1/clusters/{cluster_id}/node-pools/{pool_id}", { params: { path: { cluster_id: cluster, pool_id: pool.id } } })),
    onMutate: () => performance.now(),
    onSuccess: (changed, _, sent) => { answered(queries, sent, { kind: "pool", pool: changed }, cluster); done(); },
  });
  return (
    <Stack>
      <Failure error={remove.error} />
      <Text>{count === 0 ? "The pool has no nodes." : `Pods on its ${inWords(count)} are moved to other nodes where there is room; then the nodes are removed.`}</Text>
      <Group justify="flex-end"><Button variant="default" onClick={done} data-autofocus>Cancel</Button><Button color="red.9" loading={remove.isPending} onClick={() => remove.mutate()}>Delete pool</Button></Group>
    </Stack>
  );
}
