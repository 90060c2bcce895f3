/** The nonce of this page, for style sheets that components make; the policy of the server allows no others. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.nonce ?? "";
