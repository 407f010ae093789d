import { Box, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

/** One page: its title, what can be done on it, and the rest. */
export function Page({ title, about, actions, children }: { title: ReactNode; about?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  const name = typeof title === "string" ? title : "";
  useEffect(() => {
    document.title = name ? `${name} · Marina` : "Marina";
  }, [name]);
  return (
    <div className="page">
      <header>
        <Box miw={0}>
          <Title order={1} style={{ overflowWrap: "anywhere" }}>{title}</Title>
          {about ? <Text c="dimmed" mt={4}>{about}</Text> : null}
        </Box>
        {actions}
      </header>
      {children}
    </div>
  );
}

export function Panel({ title, children, flush = false }: { title?: string; children: ReactNode; flush?: boolean }) {
  return (
    <section className="panel">
      {title ? <Title order={2}>{title}</Title> : null}
      {flush ? children : <div className="inside">{children}</div>}
    </section>
  );
}

/** What stands where there is nothing yet: what would be here, and how to get it. */
export function Empty({ title, children, action }: { title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <Box ta="center" px="md" py={48}>
      <Text fw={600} size="lg">{title}</Text>
      <Text c="dimmed" mt={6} maw={460} mx="auto">{children}</Text>
      {action ? <Box mt="lg">{action}</Box> : null}
    </Box>
  );
}
