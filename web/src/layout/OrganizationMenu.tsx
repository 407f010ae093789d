import { Box, Menu, Modal, Text, UnstyledButton } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";

import { useActIn } from "../api/act";
import { accountQuery } from "../api/queries";
import { CheckIcon, ChevronsIcon, PlusIcon } from "../parts/icons";

const NewOrganization = lazy(async () => ({ default: (await import("../organization/NewOrganization")).NewOrganization }));

/** Says in which organization one acts, and changes it. */
export function OrganizationMenu() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const actIn = useActIn();
  const [making, setMaking] = useState(false);
  const name = account.organization || "No organization";
  return (
    <>
      <Menu position="bottom-start" width={230}>
        <Menu.Target>
          <UnstyledButton px={10} py={6} miw={0} aria-label={account.organization ? `Organization ${name}` : name} style={{ border: "1px solid var(--line)", borderRadius: 8, background: "var(--mantine-color-body)" }}>
            <Box style={{ display: "flex", alignItems: "center", justifyContent: "space-between", gap: "0.5rem" }}>
              <Text truncate fw={500} maw={180}>{name}</Text>
              <ChevronsIcon />
            </Box>
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Organizations</Menu.Label>
          {(account.organizations ?? []).map((o) => (
            <Menu.Item key={o.id} onClick={() => void actIn(o.id)} rightSection={o.id === account.organization_id ? <CheckIcon /> : <Text size="xs" c="dimmed">{o.role}</Text>}>
              {o.name}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item leftSection={<PlusIcon />} onClick={() => setMaking(true)}>Create organization</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={making} onClose={() => setMaking(false)} title="Create an organization" centered>
        <Suspense fallback={null}><NewOrganization done={() => setMaking(false)} /></Suspense>
      </Modal>
    </>
  );
}
