import { useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { accountQuery } from "../api/queries";
import { groups } from "./navigation";

/** The way to all pages. onChoose is called when one was chosen. */
export function Navigation({ onChoose }: { onChoose?: () => void }) {
  const { data: account } = useSuspenseQuery(accountQuery);
  return (
    <nav aria-label="Main">
      {groups.map(({ title, entries }) => {
        const shown = entries.filter((entry) => entry.shown(account));
        if (shown.length === 0) return null;
        return (
          <div key={title}>
            {title ? <p>{title}</p> : null}
            {shown.map(({ to, label, icon: Icon }) => (
              <Link key={to} to={to} activeOptions={{ exact: to === "/" || to === "/operator" }} onClick={onChoose}><Icon />{label}</Link>
            ))}
          </div>
        );
      })}
    </nav>
  );
}
