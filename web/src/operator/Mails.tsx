import { Modal, Table, Text, UnstyledButton } from "@mantine/core";
import { useQuery, useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import type { Mail } from "../api/client";
import { Code } from "../parts/Code";
import { Failure } from "../parts/Failure";
import { Status } from "../parts/Status";
import type { Tone } from "../words/phase";
import { dateAndTime } from "../words/time";
import { Found } from "./Found";
import { mailQuery, mailsQuery } from "./queries";
import { Why } from "./Why";

const route = getRouteApi("/inside/operator/mails");

const states: Record<Mail["state"], { text: string; tone: Tone }> = {
  waiting: { text: "Waiting", tone: "wait" },
  sent: { text: "Sent", tone: "good" },
  failed: { text: "Given up", tone: "bad" },
};

/** What Marina has written to people. Without a mail server, the operator passes it on. */
export function Mails() {
  const { search = "" } = route.useSearch();
  const navigate = useNavigate();
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } = useSuspenseInfiniteQuery(mailsQuery(search));
  const [opened, setOpened] = useState<Mail>();
  return (
    <>
      <Found
        title="Mails"
        about="What Marina has written to people in the last 30 days, the newest first."
        placeholder="Whole e-mail address"
        search={search}
        onSearch={(text) => void navigate({ to: "/operator/mails", search: text ? { search: text } : {}, replace: true })}
        columns={["Subject", "To", "State", "Written"]}
        more={hasNextPage ? () => void fetchNextPage() : undefined}
        loading={isFetchingNextPage}
        rows={data.pages.flatMap((p) => p.items ?? []).map((m) => (
          <Table.Tr key={m.id}>
            <Table.Td><UnstyledButton c="var(--link)" fw={500} fz="inherit" onClick={() => setOpened(m)}>{m.subject}</UnstyledButton></Table.Td>
            <Table.Td>{m.to}</Table.Td>
            <Table.Td><Status {...states[m.state]} />{m.last_error ? <Why>{m.last_error}</Why> : null}</Table.Td>
            <Table.Td>{dateAndTime(m.created_at)}</Table.Td>
          </Table.Tr>
        ))}
      />
      <Modal opened={opened !== undefined} onClose={() => setOpened(undefined)} title={opened?.subject} size="lg" centered>
        {opened ? <OneMail mail={opened} /> : null}
      </Modal>
    </>
  );
}

function OneMail({ mail }: { mail: Mail }) {
  const { data, error } = useQuery(mailQuery(mail.id));
  if (error) return <Failure error={error} />;
  if (!data) return <Text c="dimmed">Reading…</Text>;
  if (!data.text) return <Text>Only {mail.to} has its text: it was, or will be, handed to your mail server and is not kept here.</Text>;
  return (
    <>
      <Text mb="sm">This installation has no mail server. Pass the mail on to {mail.to} yourself, by a way that you trust: what it says lets its reader in.</Text>
      <Code text={data.text} label="text of the mail" />
    </>
  );
}
