// Temporary folders.
import { mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that is removed when it is disposed of, or when the process exits. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** Returns the path of an entry inside. */
  join(...parts: string[]): string;
}

const open = new Set<string>();

/** Creates an empty folder that only this user can enter. */
export function tempDir(prefix = 'busbar-test'): TempDir {
  // mkdtemp creates with mode 0700.
  const path = mkdtempSync(join(tmpdir(), `${prefix}-`));
  if (open.size === 0) process.once('exit', removeAll);
  open.add(path);
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: async () => {
      // A child that is ending may still create files.
      await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
      open.delete(path);
      if (open.size === 0) process.off('exit', removeAll);
    },
  };
}

function removeAll(): void {
  for (const path of open) rmSync(path, { recursive: true, force: true });
}
