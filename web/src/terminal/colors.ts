import type { ITheme } from "@xterm/xterm";

// Every colour can be read on its background (WCAG AA).

const light: ITheme = {
  background: "#f7f9fa", foreground: "#161c21", cursor: "#0f769e", cursorAccent: "#ffffff", selectionBackground: "#b0dbeb",
  black: "#161c21", red: "#b3261e", green: "#14713c", yellow: "#8a5a00", blue: "#0b5f80", magenta: "#7b3ba8", cyan: "#0b6b6b", white: "#55636d",
  brightBlack: "#5b6a74", brightRed: "#b3261e", brightGreen: "#14713c", brightYellow: "#8a5a00", brightBlue: "#0b5f80", brightMagenta: "#7b3ba8", brightCyan: "#0b6b6b", brightWhite: "#3c4851",
};

const dark: ITheme = {
  background: "#0b1014", foreground: "#e1e6e9", cursor: "#5fb6d7", cursorAccent: "#0b1014", selectionBackground: "#27495a",
  black: "#80909b", red: "#ff8a80", green: "#5fd08c", yellow: "#f0b955", blue: "#83c7e0", magenta: "#d7a6f5", cyan: "#6fd6d6", white: "#e1e6e9",
  brightBlack: "#94a3ae", brightRed: "#ffb4ad", brightGreen: "#8be3ad", brightYellow: "#f7d18c", brightBlue: "#b0dbeb", brightMagenta: "#e7c8fa", brightCyan: "#a4e8e8", brightWhite: "#ffffff",
};

export function colors(scheme: "light" | "dark"): ITheme {
  return scheme === "dark" ? dark : light;
}
