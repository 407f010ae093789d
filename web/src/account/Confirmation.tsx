import { Button, Group, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useRef, useState } from "react";

import { api, body } from "../api/client";
import { isProblem, type Problem, wrongFields } from "../api/problem";
import { Failure } from "../parts/Failure";
import { CodeInput } from "./CodeInput";
import { totpQuery } from "./queries";

const cancelled: Problem = { type: "about:blank", title: "Cancelled", status: 0, code: "cancelled", detail: "Nothing was changed." };

/**
 * For what changes how somebody logs in. confirmed does it, and where the server wants
 * to know first that it is them, shows the dialog, and does it again.
 */
export function useConfirmation(): { confirmed: <T>(work: () => Promise<T>) => Promise<T>; dialog: ReactNode } {
  const [asking, setAsking] = useState(false);
  const answer = useRef<(good: boolean) => void>(undefined);
  const confirmed = async <T,>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!isProblem(error) || error.code !== "confirmation_needed") throw error;
    }
    setAsking(true);
    const good = await new Promise<boolean>((done) => { answer.current = done; });
    setAsking(false);
    if (!good) throw cancelled;
    return work();
  };
  const dialog = (
    <Modal opened={asking} onClose={() => answer.current?.(false)} title="Confirm that it is you" centered>
      <Questions done={(good) => answer.current?.(good)} />
    </Modal>
  );
  return { confirmed, dialog };
}

/** An error that the person need not be told of: they cancelled it themselves. */
export function told(error: unknown): unknown {
  return error === cancelled ? undefined : error;
}

function Questions({ done }: { done: (good: boolean) => void }) {
  const { data: totp } = useQuery(totpQuery);
  const [byCode, setByCode] = useState(false);
  const [text, setText] = useState("");
  const confirm = useMutation({
    mutationFn: () => body(api.POST("/v1/sessions/current/confirm", { body: byCode ? { code: text } : { password: text } })),
    onSuccess: () => done(true),
  });
  const submit = (e: FormEvent) => { e.preventDefault(); e.stopPropagation(); confirm.mutate(); };
  const change = () => { setByCode(!byCode); setText(""); confirm.reset(); };
  const wrong = wrongFields(confirm.error);
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <Text size="sm" c="dimmed">This changes how you log in. If you have no password, log in again and come back within ten minutes.</Text>
        <Failure error={confirm.error} fields={["password", "code"]} />
        {byCode
          ? <CodeInput value={text} onChange={setText} error={wrong.code} />
          : <PasswordInput label="Your password" autoComplete="current-password" data-autofocus value={text} onChange={(e) => setText(e.target.value)} error={wrong.password} />}
        <Group justify="space-between">
          {totp?.enabled ? <Button variant="subtle" onClick={change}>{byCode ? "Use the password" : "Use a code"}</Button> : <span />}
          <Group>
            <Button variant="default" onClick={() => done(false)}>Cancel</Button>
            <Button type="submit" loading={confirm.isPending} disabled={!text}>Confirm</Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}
