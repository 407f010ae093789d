import { createTheme, type MantineColorsTuple } from "@mantine/core";

const sea: MantineColorsTuple = [
  "#eef8fc", "#d9edf5", "#b0dbeb", "#83c7e0", "#5fb6d7", "#48abd1", "#2a8fb8", "#0f769e", "#0b5f80", "#074a65",
];

const slate: MantineColorsTuple = [
  "#f7f9fa", "#eef1f3", "#e1e6e9", "#cbd3d8", "#a3b0b8", "#71808a", "#55636d", "#3c4851", "#262f36", "#161c21",
];

const ink: MantineColorsTuple = [
  "#e8edf0", "#c6d0d6", "#a0aeb7", "#80909b", "#3a4750", "#2b363e", "#1d262d", "#151c22", "#10161b", "#0b1014",
];

export const theme = createTheme({
  primaryColor: "sea",
  primaryShade: 7,
  colors: { sea, gray: slate, dark: ink },
  fontFamily: '"Inter Variable", system-ui, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", monospace',
  headings: { fontWeight: "600", sizes: { h1: { fontSize: "1.375rem", lineHeight: "1.3" }, h2: { fontSize: "1rem", lineHeight: "1.4" }, h3: { fontSize: "0.875rem", lineHeight: "1.4" } } },
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.125rem" },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  autoContrast: true,
  components: { Modal: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } } },
});
