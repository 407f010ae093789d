import { Alert, Anchor, Button, Center, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { api, body } from "../api/client";
import { wrongFields } from "../api/problem";
import { Code } from "../parts/Code";
import { Failure } from "../parts/Failure";
import { QrCode } from "../parts/QrCode";
import { Status } from "../parts/Status";
import { date } from "../words/time";
import { CodeInput } from "./CodeInput";
import { told, useConfirmation } from "./Confirmation";
import { totpQuery } from "./queries";

/** The second factor: whether there is one, and how to get it. */
export function Authenticator() {
  const { data: totp } = useSuspenseQuery(totpQuery);
  const queries = useQueryClient();
  const { confirmed, dialog } = useConfirmation();
  const setUp = useMutation({ mutationFn: () => confirmed(() => body(api.POST("/v1/account/totp"))) });
  const renew = useMutation({
    mutationFn: () => confirmed(() => body(api.POST("/v1/account/recovery-codes"))),
    onSuccess: () => queries.invalidateQueries(totpQuery),
  });
  const remove = useMutation({
    mutationFn: () => confirmed(() => body(api.DELETE("/v1/account/totp"))),
    onSuccess: () => queries.invalidateQueries(totpQuery),
  });
  return (
    <Stack gap="md">
      <Failure error={told(setUp.error ?? renew.error ?? remove.error)} />
      {totp.enabled ? (
        <>
          <Status tone="good" text={`On since ${date(totp.enabled_at!)}`} />
          <Text c="dimmed">A log-in by password asks for a code. {left(totp.recovery_codes_left)}</Text>
          <Group>
            <Button variant="default" loading={renew.isPending} onClick={() => renew.mutate()}>New recovery codes</Button>
            <Button variant="default" loading={remove.isPending} onClick={() => remove.mutate()}>Remove the authenticator</Button>
          </Group>
        </>
      ) : (
        <>
          <Text c="dimmed">With an authenticator app on your phone, your password alone lets nobody in.</Text>
          <Button w="fit-content" loading={setUp.isPending} onClick={() => setUp.mutate()}>Set up an authenticator</Button>
        </>
      )}
      <Modal opened={!!setUp.data} onClose={() => setUp.reset()} title="Set up an authenticator" centered>
        {setUp.data ? <Enable secret={setUp.data.secret} url={setUp.data.url} rows={setUp.data.qr ?? []} done={() => setUp.reset()} /> : null}
      </Modal>
      <Modal opened={!!renew.data} onClose={() => renew.reset()} title="Your new recovery codes" centered>
        {renew.data ? <Recovery codes={renew.data.recovery_codes ?? []} done={() => renew.reset()} /> : null}
      </Modal>
      {dialog}
    </Stack>
  );
}

function left(codes: number): string {
  if (codes === 0) return "No recovery code is left: get new ones.";
  return codes === 1 ? "One recovery code is left." : `${codes} recovery codes are left.`;
}

function Enable({ secret, url, rows, done }: { secret: string; url: string; rows: string[]; done: () => void }) {
  const queries = useQueryClient();
  const [code, setCode] = useState("");
  const enable = useMutation({
    mutationFn: () => body(api.POST("/v1/account/totp/enable", { body: { code } })),
    onSuccess: () => queries.invalidateQueries(totpQuery),
  });
  if (enable.data) return <Recovery codes={enable.data.recovery_codes ?? []} done={done} />;
  const submit = (e: FormEvent) => { e.preventDefault(); enable.mutate(); };
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Text size="sm">Photograph this with the app, or <Anchor href={url} inherit>open the app</Anchor> on this device, or type the secret.</Text>
        <Center><QrCode rows={rows} label="QR code of the secret" /></Center>
        <Code text={secret} label="secret" />
        <Failure error={enable.error} fields={["code"]} />
        <CodeInput first value={code} onChange={setCode} error={wrongFields(enable.error).code} />
        <Group justify="flex-end"><Button variant="default" onClick={done}>Cancel</Button><Button type="submit" loading={enable.isPending} disabled={!code.trim()}>Turn it on</Button></Group>
      </Stack>
    </form>
  );
}

function Recovery({ codes, done }: { codes: string[]; done: () => void }) {
  return (
    <Stack>
      <Alert color="sea" variant="light">Keep these where you will find them without your phone. Each lets you in once; they are shown now and never again.</Alert>
      <Code text={codes.join("\n")} label="recovery codes" />
      <Group justify="flex-end"><Button onClick={done}>I have kept them</Button></Group>
    </Stack>
  );
}
