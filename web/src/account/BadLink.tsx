import { Stack, Text } from "@mantine/core";

import { ButtonLink } from "../parts/Link";
import { Door } from "./Door";

/** What somebody sees whose link leads nowhere (any more). */
export function BadLink({ to, action }: { to: "/" | "/signup" | "/forgot"; action: string }) {
  return (
    <Door title="This link is not good">
      <Stack gap="md">
        <Text>It was used already, its time is over, or a part of it is missing. Open it as it stands in the mail, or ask for a new one.</Text>
        <ButtonLink to={to} fullWidth>{action}</ButtonLink>
      </Stack>
    </Door>
  );
}
