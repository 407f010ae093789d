import { useSuspenseQuery } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense } from "react";

import { accountQuery } from "../api/queries";
import icon from "../icon.svg";
import { AccountMenu } from "./AccountMenu";
import { Connection } from "./Connection";
import { Drawer } from "./Drawer";
import { Navigation } from "./Navigation";
import { OrganizationMenu } from "./OrganizationMenu";

const NoOrganization = lazy(async () => ({ default: (await import("./NoOrganization")).NoOrganization }));

/** The frame around every page of who is logged in. */
export function Shell() {
  const { data: account } = useSuspenseQuery(accountQuery);
  const path = useRouterState({ select: (s) => s.location.pathname });
  const stray = !account.organization_id && !/^\/(profile|operator)\b/.test(path);
  return (
    <>
      <a className="skip" href="#content">Skip to the content</a>
      <div className="frame">
        <header className="side">
          <Drawer />
          <Link to="/" className="brand"><img src={icon} alt="Marina" width="26" height="26" /><span aria-hidden="true">Marina</span></Link>
          <OrganizationMenu />
          <Navigation />
          <div className="push"><AccountMenu /></div>
        </header>
        <main id="content" tabIndex={-1}>{stray ? <Suspense fallback={null}><NoOrganization /></Suspense> : <Outlet />}</main>
      </div>
      <Connection />
    </>
  );
}
