import { Button, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { Door } from "./Door";

/** A mail is on its way, whatever is known of the address: only the mail tells. */
export function LookAtYourMail({ email, onBack, children, below }: { email: string; onBack: () => void; children: ReactNode; below?: ReactNode }) {
  return (
    <Door title="Look at your mail" below={below}>
      <Stack gap="md" aria-live="polite">
        <Text>We have sent a mail to <Text span fw={600} style={{ overflowWrap: "anywhere" }}>{email}</Text>. {children}</Text>
        <Text c="dimmed" size="sm">Nothing there after a minute? Look for it in spam, too. An installation without a mail server of its own keeps mails for its operator: ask whoever runs it.</Text>
        <Button variant="default" onClick={onBack} fullWidth>Use another address</Button>
      </Stack>
    </Door>
  );
}
