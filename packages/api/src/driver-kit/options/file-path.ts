/** Checks the path of a file that a person wrote: what is opened must be what was meant, and what was checked. */

import { invalid } from '../../contract/errors.ts';
import { quote } from '../../contract/names.ts';

/** Names that people write for something else than the file that they would get, and what to write instead. */
const MISTAKES: readonly (readonly [form: RegExp, hint: string])[] = [
  [/^:memory:/i, 'A bus in memory is `memory:`.'],
  [/^:/, "Write './' before the name of a file that starts with a colon."],
  [
    /^~/,
    'Only the command, connect and shells know ~/ as the home folder. Write $HOME/bus.db in a shell, or the whole path.',
  ],
  [/^\$\w|^\$\{|^%\w+%/, 'Variables are not replaced here. Write the path itself.'],
  [/^(sqlite|file|unix):/i, 'Write the path alone: ./bus.db or /absolute/bus.db.'],
  [/^[a-z][a-z0-9+.-]*:\/\//i, 'This is a URL. Write the path of a file.'],
  [/[/\\]$|(^|[/\\])\.{1,2}$/, 'This is a folder. Write the path of a file in it.'],
  [/^["'`]|["'`]$/, 'Write the path without quotes.'],
];

/** Invisible characters at an end, but for the one that makes an emoji of a character. */
const INVISIBLE_END = /^[\p{Cf}\p{DI}\u2800]|(?!\ufe0f)[\p{Cf}\p{DI}\u2800]$/u;

/** Throws INVALID_ARGUMENT for a path that is no path of a file, or that a native module would open by another name. */
export function checkFilePath(path: unknown, name: string): asserts path is string {
  if (typeof path !== 'string' || path === '') {
    throw invalid(`${name} is not a path: ${quote(path)}`, "Give the path of a file, such as './bus.db'.");
  }
  if (!path.isWellFormed() || /\p{Cc}|\p{Zl}|\p{Zp}/u.test(path) || path !== path.trim()) {
    throw invalid(
      `${name} has control characters, or white space at an end: ${quote(path)}`,
      'Write the path without them. A file with settings and Windows line ends (CRLF) adds a CR to each value.',
    );
  }
  if (INVISIBLE_END.test(path)) {
    throw invalid(
      `${name} has an invisible character at an end: ${quote(path)}`,
      'Write the path by hand. A text that is copied from a page or a chat may bring such characters along.',
    );
  }
  const mistake = MISTAKES.find(([form]) => form.test(path));
  if (mistake !== undefined) throw invalid(`${name} is not the path of a file: ${quote(path)}`, mistake[1]);
}
