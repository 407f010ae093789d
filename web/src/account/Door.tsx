import { Paper, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

import icon from "../icon.svg";

/** The frame of the pages in front of the console. */
export function Door({ title, children, below }: { title: string; children: ReactNode; below?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Marina`;
  }, [title]);
  return (
    <main className="door">
      <div>
        <div className="brand"><img src={icon} alt="" width="32" height="32" />Marina</div>
        <Paper withBorder radius="lg" p="xl" style={{ borderColor: "var(--line)" }}>
          <Title order={1} mb="lg">{title}</Title>
          {children}
        </Paper>
        {below ? <Text ta="center" c="dimmed" mt="md">{below}</Text> : null}
      </div>
    </main>
  );
}
