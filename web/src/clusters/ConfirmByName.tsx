import { Button, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";

/** A button that does what cannot be undone by accident: its name has to be typed. */
export function ConfirmByName({ name, action, pending, onConfirm }: { name: string; action: string; pending: boolean; onConfirm: () => void }) {
  const [typed, setTyped] = useState("");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (typed === name) onConfirm();
  };
  return (
    <form onSubmit={submit}>
      <TextInput label={<>Type <strong>{name}</strong> to confirm</>} value={typed} onChange={(e) => setTyped(e.target.value)} autoComplete="off" spellCheck={false} />
      <Button type="submit" color="red.9" mt="md" disabled={typed !== name} loading={pending}>{action}</Button>
    </form>
  );
}
