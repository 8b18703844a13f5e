/** Makes foreign text safe to print: it must not control the terminal or hide in it. And its width in columns. */

// Control characters, invisible characters (bidirectional, zero-width, fillers, tags), line and paragraph separators.
// Variation selectors stay, since emoji need them.
const UNSAFE = /(?!\p{Variation_Selector})(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const BREAKS = /[\t\n]/g;

/** `text` with control characters as escapes; line breaks and tabs stay. */
export function printable(text: string): string {
  return text.toWellFormed().replace(UNSAFE, toEscape);
}

/** `text` in one line of at most `max` columns. */
export function printableLine(text: string, max: number = Number.POSITIVE_INFINITY): string {
  // A column has at most 40 characters here, so that the rest of a long text is not looked at.
  const start = max < Number.POSITIVE_INFINITY ? text.slice(0, max * 40) : text;
  return cutToWidth(
    printable(start).replace(BREAKS, (unit) => (unit === '\n' ? '\\n' : ' ')),
    max,
  );
}

/** `text` in lines that no reader takes for lines of the command: all but the first are indented. */
export function printableBlock(text: string): string {
  return printable(text).replaceAll('\n', '\n  ');
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

const NARROW = /^[\x20-\x7e]*$/;
// Two columns: emoji, and East Asian characters except the half-width forms.
const WIDE =
  /^(?:\p{Emoji_Presentation}|.\uFE0F|(?![\uFF61-\uFFDC\uFFE8-\uFFEE])[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Bopomofo}\p{sc=Yi}\p{sc=Tangut}\p{sc=Nushu}\p{sc=Khitan_Small_Script}\u{1F200}-\u{1F2FF}\u2329\u232A\u2E80-\u303E\u3100-\u33FF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6])/u;
const COMBINING = /^\p{M}/u;

let segmenter: Intl.Segmenter | undefined;

/** The number of columns. */
export function widthOf(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const character of charactersOf(text)) width += widthOfOne(character);
  return width;
}

/** `text`, with `…` at its end where it is cut to `max` columns. */
export function cutToWidth(text: string, max: number): string {
  if (text.length <= max && NARROW.test(text)) return text;
  if (max === Number.POSITIVE_INFINITY || widthOf(text) <= max) return text;
  let width = 0;
  let shown = '';
  for (const character of charactersOf(text)) {
    width += widthOfOne(character);
    if (width > Math.max(1, max - 1)) break;
    shown += character;
  }
  return `${shown}…`;
}

/** `text` with spaces up to `width` columns. */
export function padToWidth(text: string, width: number, right = false): string {
  const spaces = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right ? spaces + text : text + spaces;
}

/** What a reader sees as single characters. */
function* charactersOf(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  for (const { segment } of segmenter.segment(text)) yield segment;
}

function widthOfOne(character: string): number {
  if (WIDE.test(character)) return 2;
  return COMBINING.test(character) ? 0 : 1;
}
