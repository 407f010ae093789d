import "./styles";
import "@xterm/xterm/css/xterm.css";

import { FitAddon } from "@xterm/addon-fit";
import { Terminal, type ITheme } from "@xterm/xterm";

import type { Size } from "./connection";
import { keysForShell } from "./keys";

const linesKept = 5000;

/** What shows a terminal and is typed on. */
export interface Screen {
  size: () => Size;
  show: (data: Uint8Array | string) => void;
  paint: (theme: ITheme) => void;
  focus: () => void;
  dispose: () => void;
}

/** Fills parent with a screen, however its size changes. */
export function openScreen(parent: HTMLElement, theme: ITheme, on: { typed: (text: string) => void; resized: (size: Size) => void }): Screen {
  const terminal = new Terminal({
    theme, scrollback: linesKept, screenReaderMode: true, macOptionIsMeta: true,
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mantine-font-family-monospace"),
    fontSize: 13, lineHeight: 1.25,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(parent);
  terminal.attachCustomKeyEventHandler(keysForShell(() => terminal.hasSelection()));
  terminal.onData(on.typed);
  terminal.onResize(({ cols, rows }) => on.resized({ columns: cols, rows }));
  const watched = new ResizeObserver(() => fit.fit());
  watched.observe(parent);
  fit.fit();
  return {
    size: () => ({ columns: terminal.cols, rows: terminal.rows }),
    show: (data) => terminal.write(data),
    paint: (now) => { terminal.options.theme = now; },
    focus: () => terminal.focus(),
    dispose() {
      watched.disconnect();
      terminal.dispose();
    },
  };
}
