/** Makes foreign text safe to print: it must not control the terminal or hide in it. */

// Control characters, invisible format characters (bidirectional, zero-width, tags), line and paragraph separators.
const UNSAFE = /(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const BREAKS = /[\t\n]/g;

/** `text` with control characters as escapes; line breaks and tabs stay. */
export function printable(text: string): string {
  return text.toWellFormed().replace(UNSAFE, toEscape);
}

/** `text` in one line of at most `max` characters. */
export function printableLine(text: string, max: number = Number.POSITIVE_INFINITY): string {
  const line = printable(text).replace(BREAKS, (unit) => (unit === '\n' ? '\\n' : ' '));
  return line.length > max ? `${line.slice(0, Math.max(1, max - 1))}…` : line;
}

/** One line of JSON with control characters as escapes; a parser reads the same value. */
export function toJsonLine(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(UNSAFE, toEscape);
}

/** A word for a shell, in quotes if it needs them. */
export function quoteForShell(word: string): string {
  const shown = printableLine(word);
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", `'\\''`)}'`;
}

function toEscape(character: string): string {
  return [...character.split('')].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
}
