/** Files of certificates, keys and tokens that options name: they count only if they belong to this user, or to root. */

import type { Stats } from 'node:fs';
import { BusbarError, invalid, isBusbarError } from '../contract/errors.ts';
import { quote } from '../contract/names.ts';

/**
 * The content of the file that the option `what` names. Throws PERMISSION_DENIED if another user could have written it, and
 * INVALID_ARGUMENT if it cannot be read. Root trusts files of root only.
 */
export function readTrustedFile(path: string, what: string): Buffer {
  // Not imported: what runs in a page has this entry, too.
  const { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } = process.getBuiltinModule('node:fs');
  try {
    checkWriter(path, what, lstatSync(path));
    const file = openSync(path, constants.O_RDONLY);
    try {
      // What is read is what was checked.
      checkWriter(path, what, fstatSync(file));
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (isBusbarError(error)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw invalid(
      `cannot read the file of ${what}, ${quote(path)}: ${code}`,
      `Set ${what} to a file that this user can read.`,
    );
  }
}

function checkWriter(path: string, what: string, stats: Stats): void {
  const user = process.geteuid?.();
  if (user === undefined) return;
  const { uid } = stats;
  if (uid !== user && uid !== 0) {
    throw denied(
      `the file of ${what}, ${quote(path)}, belongs to another user (uid ${uid})`,
      'Copy it, or change its owner.',
    );
  }
  if (!stats.isSymbolicLink() && (stats.mode & 0o002) !== 0) {
    throw denied(`every user can write to the file of ${what}, ${quote(path)}`, `chmod o-w ${path}`);
  }
}

function denied(problem: string, hint: string): BusbarError {
  return new BusbarError('PERMISSION_DENIED', problem, { hint });
}
