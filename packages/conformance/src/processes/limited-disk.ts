/** A disk of a few megabytes for one process: a tmpfs that only it sees, mounted in a name space of its own (Linux). */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that shall be a small disk. */
export interface DiskLimit {
  readonly folder: string;
  readonly bytes: number;
}

const MOUNT = 'mount -t tmpfs -o "size=$1,mode=700" tmpfs "$2" && shift 2 && exec "$@"';
let reason: string | null | undefined;

/** Why no small disk can be had here; undefined where one can. */
export function whyNoLimitedDisk(): string | undefined {
  reason ??= probe();
  return reason ?? undefined;
}

/** The command that runs `command` with the small disk. */
export function limitedCommand({ folder, bytes }: DiskLimit, command: readonly string[]): string[] {
  return [
    'unshare',
    '--user',
    '--map-root-user',
    '--mount',
    'sh',
    '-c',
    MOUNT,
    'sh',
    String(bytes),
    folder,
    ...command,
  ];
}

function probe(): string | null {
  if (process.platform !== 'linux') return 'A disk of limited size can be had without privileges on Linux only.';
  const folder = mkdtempSync(join(tmpdir(), 'busbar-disk-'));
  try {
    const [file = '', ...args] = limitedCommand({ folder, bytes: 65_536 }, ['true']);
    if (spawnSync(file, args, { stdio: 'ignore' }).status === 0) return null;
    return 'This machine does not let a user mount a small disk in a name space of its own (unshare --user --mount).';
  } finally {
    rmdirSync(folder);
  }
}
