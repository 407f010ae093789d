import { styleNonce } from "../nonce";

// The page's policy takes style elements that carry its nonce, and no style attributes.
// xterm.js knows nothing of nonces, and writes colours into attributes of spans. It
// asks the document for its elements, so that is where they are made fit: from when a
// terminal is first shown, for whoever makes one.

const make = Document.prototype.createElement;

document.createElement = function createElement(this: Document, name: string, options?: ElementCreationOptions): HTMLElement {
  const made = make.call(this, name, options);
  if (made instanceof HTMLStyleElement) made.nonce = styleNonce;
  if (made instanceof HTMLSpanElement) {
    made.setAttribute = (attribute, value) => {
      // Through the object model, to which the policy does not apply.
      if (attribute === "style") made.style.cssText = value;
      else Element.prototype.setAttribute.call(made, attribute, value);
    };
  }
  return made;
} as typeof document.createElement;
