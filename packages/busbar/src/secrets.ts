/** Keeping secrets out of what is shown (rule RA6). */

const SECRET_PARAMETERS =
  /([?&;](?:[^=&;#\s]*(?:pass|secret|token|key|auth|credential|nkey|jwt)[^=&;#\s]*)=)[^&;#\s]*/gi;

// Up to the last @ of the word: a password may hold what should have been escaped. A path of a file has no user.
const USER = /(?<!\/|\b(?:sqlite|file):)\/\/\S*@/g;

/** A URL, or a text with URLs, without users, passwords and secret parameters: fit to be shown. */
export function maskUrl(text: string): string {
  return text.replace(USER, '//***@').replace(SECRET_PARAMETERS, '$1***');
}
