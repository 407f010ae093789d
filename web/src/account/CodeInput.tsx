import { TextInput } from "@mantine/core";

/** Takes a code of an authenticator, or a recovery code where there are some. */
export function CodeInput({ value, onChange, error, first = false }: { value: string; onChange: (code: string) => void; error?: string; first?: boolean }) {
  return (
    <TextInput
      label="Code" description={first ? "The six digits that the app shows then." : "The six digits that your authenticator app shows, or one of your recovery codes."} autoComplete="one-time-code" autoFocus data-autofocus
      spellCheck={false} autoCapitalize="none" value={value} onChange={(e) => onChange(e.target.value)} error={error}
    />
  );
}
