import { Box, Menu, Text, UnstyledButton } from "@mantine/core";
import { useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { chooseOrganization } from "../api/organization";
import { accountQuery } from "../api/queries";
import { CheckIcon, ChevronsIcon } from "../parts/icons";

/** Says in which organization one acts, and changes it. */
export function OrganizationMenu() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const choose = async (id: string) => {
    chooseOrganization(id);
    await navigate({ to: "/clusters" });
    await queries.resetQueries();
  };
  return (
    <Menu position="bottom-start" width={230}>
      <Menu.Target>
        <UnstyledButton px={10} py={6} miw={0} aria-label={`Organization ${account.organization}`} style={{ border: "1px solid var(--line)", borderRadius: 8, background: "var(--mantine-color-body)" }}>
          <Box style={{ display: "flex", alignItems: "center", justifyContent: "space-between", gap: "0.5rem" }}>
            <Text truncate fw={500} maw={180}>{account.organization || "No organization"}</Text>
            <ChevronsIcon />
          </Box>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Organizations</Menu.Label>
        {(account.organizations ?? []).map((o) => (
          <Menu.Item key={o.id} onClick={() => choose(o.id)} rightSection={o.id === account.organization_id ? <CheckIcon /> : <Text size="xs" c="dimmed">{o.role}</Text>}>
            {o.name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
