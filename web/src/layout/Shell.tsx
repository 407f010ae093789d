import { Link, Outlet } from "@tanstack/react-router";

import icon from "../icon.svg";
import { AccountMenu } from "./AccountMenu";
import { Connection } from "./Connection";
import { Drawer } from "./Drawer";
import { Navigation } from "./Navigation";
import { OrganizationMenu } from "./OrganizationMenu";

/** The frame around every page of who is logged in. */
export function Shell() {
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
        <main id="content" tabIndex={-1}><Outlet /></main>
      </div>
      <Connection />
    </>
  );
}
