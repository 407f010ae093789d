import { ActionIcon, Button, NumberInput, Select, Stack, Text, TextInput } from "@mantine/core";

import type { Options } from "../api/client";
import { PlusIcon, TrashIcon } from "../parts/icons";
import { sizeInWords } from "../words/size";
import type { WantedPool } from "./command";

/** A name that no pool has yet: workers, workers-2, … */
function freeName(pools: WantedPool[]): string {
  const taken = new Set(pools.map((p) => p.name));
  for (let n = 1; ; n++) {
    const name = n === 1 ? "workers" : `workers-${n}`;
    if (!taken.has(name)) return name;
  }
}

export function PoolFields({ options, pools, onChange }: { options: Options; pools: WantedPool[]; onChange: (pools: WantedPool[]) => void }) {
  const add = () => onChange([...pools, { name: freeName(pools), size: options.sizes?.[0]?.name ?? "", count: 1 }]);
  return (
    <Stack gap="md">
      {pools.length === 0 ? <Text c="dimmed">No nodes: the Kubernetes API works without, but pods wait for a node.</Text> : null}
      {pools.map((pool, i) => (
        // oxlint-disable-next-line react/no-array-index-key -- a pool has no other identity while its name is typed
        <OnePool key={i} options={options} pool={pool} onChange={(p) => onChange(pools.with(i, p))} onRemove={() => onChange(pools.toSpliced(i, 1))} />
      ))}
      <Button variant="default" leftSection={<PlusIcon />} onClick={add} w="fit-content">Add a pool</Button>
    </Stack>
  );
}

interface OnePoolProps {
  options: Options;
  pool: WantedPool;
  onChange: (pool: WantedPool) => void;
  onRemove?: () => void;
  wrong?: Record<string, string>;
}

export function OnePool({ options, pool, onChange, onRemove, wrong = {} }: OnePoolProps) {
  const sizes = (options.sizes ?? []).map((s) => ({ value: s.name, label: `${s.name} · ${sizeInWords(s)}` }));
  return (
    <div className="pool">
      <TextInput label="Name" value={pool.name} onChange={(e) => onChange({ ...pool, name: e.target.value })} error={wrong.name} autoComplete="off" spellCheck={false} />
      <Select label="Size of a node" data={sizes} value={pool.size} onChange={(size) => size && onChange({ ...pool, size })} allowDeselect={false} error={wrong.size} />
      <NumberInput label="Nodes" value={pool.count} onChange={(n) => onChange({ ...pool, count: Number(n) || 0 })} min={0} max={options.max_pool_count} allowDecimal={false} error={wrong.count} />
      {onRemove ? <div className="end"><ActionIcon variant="subtle" color="gray" size={32} onClick={onRemove} aria-label={`Remove the pool ${pool.name}`}><TrashIcon /></ActionIcon></div> : null}
    </div>
  );
}
