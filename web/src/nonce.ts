// The nonce that lets style elements through the page's content security policy. A
// library below Mantine, which locks scrolling behind dialogs, looks for it in a
// variable that webpack would set.
export const styleNonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? "";

Object.assign(globalThis, { __webpack_nonce__: styleNonce });
