import { Button } from "@mantine/core";
import { useState } from "react";

import { NewOrganization } from "../organization/NewOrganization";
import { PlusIcon } from "../parts/icons";
import { Empty, Page, Panel } from "../parts/Page";

/** In place of every page that shows what is an organization's, for who is in none. */
export function NoOrganization() {
  const [making, setMaking] = useState(false);
  return (
    <Page title="You are not a member of any organization">
      <Panel>
        {making ? <NewOrganization done={() => setMaking(false)} /> : (
          <Empty title="Clusters belong to organizations" action={<Button leftSection={<PlusIcon />} onClick={() => setMaking(true)}>Create organization</Button>}>
            Make one of your own, or ask somebody to invite you to theirs: the mail of the invitation has a link.
          </Empty>
        )}
      </Panel>
    </Page>
  );
}
