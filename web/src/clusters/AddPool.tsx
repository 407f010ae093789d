import { Button, Group, Modal, Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { answered } from "../api/changes";
import type { Options, Pool } from "../api/client";
import { wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { createPool } from "./create";
import { OnePool } from "./PoolFields";

interface Props {
  cluster: string;
  options: Options;
  pools: Pool[];
  opened: boolean;
  onClose: () => void;
}

export function AddPool(props: Props) {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title="Add a node pool" size="lg" centered>
      <Form {...props} />
    </Modal>
  );
}

function Form({ cluster, options, pools, onClose }: Props) {
  const queries = useQueryClient();
  const [pool, setPool] = useState({ name: pools.length === 0 ? "workers" : "", size: options.sizes?.[0]?.name ?? "", count: 2 });
  const add = useMutation({
    mutationFn: () => createPool(cluster, pool),
    onMutate: () => performance.now(),
    onSuccess: (made, _, sent) => {
      answered(queries, sent, { kind: "pool", pool: made }, cluster);
      onClose();
    },
  });
  const submit = (e: FormEvent) => { e.preventDefault(); add.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Failure error={add.error} fields={["name", "size", "count"]} />
        <OnePool options={options} pool={pool} onChange={setPool} wrong={wrongFields(add.error)} />
        <Group justify="flex-end"><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={add.isPending}>Add pool</Button></Group>
      </Stack>
    </form>
  );
}
