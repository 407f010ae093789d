import { Button, Group, Stack, Table, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { type ReactNode, useState } from "react";

import { Empty, Page, Panel } from "../parts/Page";
import { Wide } from "../parts/Wide";

interface Props {
  title: string;
  about: string;
  placeholder: string;
  search: string;
  onSearch: (search: string) => void;
  columns: string[];
  rows: ReactNode[];
  more?: () => void;
  loading: boolean;
}

/** A list of the whole installation: searched as one types, and shown page by page. */
export function Found({ title, about, placeholder, search, onSearch, columns, rows, more, loading }: Props) {
  const [typed, setTyped] = useState(search);
  const [told, setTold] = useState(search);
  if (told !== search) { // a link has chosen another search
    setTold(search);
    if (typed.trim() !== search) setTyped(search);
  }
  const later = useDebouncedCallback(onSearch, 250);
  const change = (text: string) => { setTyped(text); later(text.trim()); };
  return (
    <Page title={title} about={about}>
      <Stack gap="md">
        <TextInput type="search" aria-label={`Search in ${title}`} placeholder={placeholder} value={typed} onChange={(e) => change(e.currentTarget.value)} maw={420} maxLength={100} />
        <Panel flush>
          {rows.length === 0 ? (
            search ? <Empty title="Nothing is found">Nothing here has that name or id. Ids must be whole; of a name, a part is enough.</Empty> : <Empty title="There are none yet">They appear here as soon as somebody makes one.</Empty>
          ) : (
            <Wide label={title}>
              <Table verticalSpacing="sm" horizontalSpacing="md">
                <Table.Thead><Table.Tr>{columns.map((c) => <Table.Th key={c}>{c}</Table.Th>)}</Table.Tr></Table.Thead>
                <Table.Tbody>{rows}</Table.Tbody>
              </Table>
            </Wide>
          )}
        </Panel>
        {more ? <Group justify="center"><Button variant="default" loading={loading} onClick={more}>Show more</Button></Group> : null}
      </Stack>
    </Page>
  );
}
