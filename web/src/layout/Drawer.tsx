import { type MouseEvent, useRef } from "react";

import { CloseIcon, MenuIcon } from "../parts/icons";
import { Navigation } from "./Navigation";

/** The navigation on a phone: behind a button. The browser keeps the focus in it and closes it at Escape. */
export function Drawer() {
  const drawer = useRef<HTMLDialogElement>(null);
  const close = () => drawer.current?.close();
  const beside = (e: MouseEvent) => { if (e.target === drawer.current) close(); };
  return (
    <>
      <button type="button" className="icon menu" aria-label="Menu" aria-haspopup="dialog" onClick={() => drawer.current?.showModal()}><MenuIcon /></button>
      {/* oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions -- Escape closes it for who has no pointer */}
      <dialog ref={drawer} className="drawer" aria-label="Menu" onClick={beside}>
        <button type="button" className="icon" aria-label="Close the menu" onClick={close}><CloseIcon /></button>
        <Navigation onChoose={close} />
      </dialog>
    </>
  );
}
