/** Removes secrets from text that is shown (rule RA6). */

const SECRET_PARAMETERS =
  /([?&;](?:[^=&;#\s]*(?:pass|secret|token|key|auth|credential|nkey|jwt)[^=&;#\s]*)=)[^&;#\s]*/gi;

// Matches up to the last @ of the word, since a password may contain unescaped characters. File paths have no user.
const USER = /(?<!\/|\b(?:sqlite|file):)\/\/\S*@/g;

/** Masks users, passwords and secret parameters in a URL, or in text with URLs. */
export function maskUrl(text: string): string {
  return text.replace(USER, '//***@').replace(SECRET_PARAMETERS, '$1***');
}
