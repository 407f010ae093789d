import { ActionIcon, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Link, Outlet } from "@tanstack/react-router";

import { ClustersIcon, KeyIcon, MoonIcon, SunIcon } from "../parts/icons";
import icon from "../icon.svg";
import { AccountMenu } from "./AccountMenu";
import { OrganizationMenu } from "./OrganizationMenu";

/** The frame around every page of who is logged in. */
export function Shell() {
  return (
    <>
      <a className="skip" href="#content">Skip to the content</a>
      <div className="frame">
        <header className="side">
          <Link to="/clusters" className="brand"><img src={icon} alt="Marina" width="26" height="26" /><span>Marina</span></Link>
          <OrganizationMenu />
          <nav aria-label="Main">
            <Link to="/clusters"><ClustersIcon />Clusters</Link>
            <Link to="/tokens"><KeyIcon />API tokens</Link>
          </nav>
          <div className="push"><AccountMenu /></div>
          <Scheme />
        </header>
        <main id="content" tabIndex={-1}><Outlet /></main>
      </div>
    </>
  );
}

function Scheme() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  return (
    <ActionIcon variant="subtle" color="gray" size="lg" onClick={() => setColorScheme(dark ? "light" : "dark")} aria-label={dark ? "Light colours" : "Dark colours"}>
      {dark ? <SunIcon /> : <MoonIcon />}
    </ActionIcon>
  );
}
