import { Text } from "@mantine/core";
import type { ReactNode } from "react";

/** Why something is not well, below its state in a table. */
export function Why({ children }: { children: ReactNode }) {
  return <Text size="xs" c="dimmed" miw={160} maw={240} style={{ whiteSpace: "normal" }}>{children}</Text>;
}
