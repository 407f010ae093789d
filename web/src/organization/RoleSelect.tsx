import { Select, Text } from "@mantine/core";

import { givenBy, labelOf, roles } from "./roles";

interface RoleSelectProps {
  value: string;
  onChange: (role: string) => void;
  /** The role of whoever chooses: nobody gives what only owners give. */
  by: string;
  label: string;
  /** Whether the label is only for who cannot see where the field stands. */
  hideLabel?: boolean;
  disabled?: boolean;
  error?: string;
}

/** Chooses a role, each with what it may do. */
export function RoleSelect({ value, onChange, by, label, hideLabel = false, disabled = false, error }: RoleSelectProps) {
  return (
    <Select
      {...(hideLabel ? { "aria-label": label } : { label })}
      data={givenBy(by).map((r) => ({ value: r.value, label: labelOf(r.value) }))}
      value={value}
      onChange={(role) => role && onChange(role)}
      allowDeselect={false}
      withScrollArea={false}
      disabled={disabled}
      error={error}
      comboboxProps={{ width: 280, position: "bottom-start" }}
      w={hideLabel ? 140 : undefined}
      renderOption={({ option }) => (
        <div>
          <Text size="sm" fw={500}>{option.label}</Text>
          <Text size="xs" c="dimmed">{roles.find((r) => r.value === option.value)?.about}</Text>
        </div>
      )}
    />
  );
}
