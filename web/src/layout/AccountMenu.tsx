import { Avatar, Box, Menu, Text, UnstyledButton, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";

import { api, body } from "../api/client";
import { forgetOrganization } from "../api/organization";
import { accountQuery } from "../api/queries";
import { MoonIcon, SunIcon } from "../parts/icons";

export function AccountMenu() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const logOut = useMutation({
    mutationFn: () => body(api.DELETE("/v1/sessions/{session_id}", { params: { path: { session_id: "current" } } })),
    onSettled: async () => {
      forgetOrganization();
      await navigate({ to: "/login" });
      queries.clear();
    },
  });
  const name = account.name || account.email;
  return (
    <Menu position="top-start" width={220}>
      <Menu.Target>
        <UnstyledButton p={6} w="100%">
          <Box style={{ display: "flex", alignItems: "center", gap: "0.625rem" }}>
            <Avatar size={26} radius="xl" color="sea" variant="filled" name={name} alt="" aria-hidden="true" />
            <Text className="who" truncate fw={500}>{name}</Text>
          </Box>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{account.email}</Menu.Label>
        <Menu.Item component={Link} to="/profile">Profile and sessions</Menu.Item>
        <Scheme />
        <Menu.Divider />
        <Menu.Item onClick={() => logOut.mutate()}>Log out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function Scheme() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  return <Menu.Item rightSection={dark ? <SunIcon /> : <MoonIcon />} onClick={() => setColorScheme(dark ? "light" : "dark")}>{dark ? "Light colours" : "Dark colours"}</Menu.Item>;
}
