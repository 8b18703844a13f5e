/** Keeping secrets out of what is shown (rule RA6). */

const SECRET_PARAMETERS = /([?&;](?:[^=&;#]*(?:pass|secret|token|key|auth|credential|nkey|jwt)[^=&;#]*)=)[^&;#]*/gi;

/** `url` without user, password and secret parameters, fit to be shown. */
export function maskUrl(url: string): string {
  return url.replace(/\/\/[^/?#]*@/, '//***@').replace(SECRET_PARAMETERS, '$1***');
}
