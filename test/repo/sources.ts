// The files of the repository as git sees them: tracked, or new and not ignored.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The root of the clone. */
export const root: string = resolve(import.meta.dirname, '../..');

/** Paths from the root, with forward slashes. */
export function repositoryFiles(): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard'];
  const files = execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\n');
  return files.filter((file) => file !== '' && existsSync(join(root, file)));
}

/** The text of a file given from the root. */
export function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
