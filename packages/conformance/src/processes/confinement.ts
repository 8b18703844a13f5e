/** Processes with less than others have: a small disk, a folder that is read-only, few open files. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a process has less of. */
export interface Confinement {
  /** This folder is an empty disk of its own with so many bytes. Needs the power `disk`. */
  readonly disk?: { readonly folder: string; readonly bytes: number };
  /** Nothing can be written in this folder. Needs the power `disk`. */
  readonly readOnly?: string;
  /** How many files and sockets it may have open. */
  readonly maxFiles?: number;
}

let reason: string | null | undefined;

/** Why disks cannot be confined here; undefined where they can. */
export function whyNoDisks(): string | undefined {
  reason ??= probe();
  return reason ?? undefined;
}

/** The command that runs `command` confined. Mounts are seen by it alone: it has a name space of its own (Linux). */
export function confinedCommand({ disk, readOnly, maxFiles }: Confinement, command: readonly string[]): string[] {
  const steps: string[] = [];
  const values: string[] = [];
  const value = (given: string | number): string => `"\${${values.push(String(given))}}"`;
  if (disk !== undefined)
    steps.push(`mount -t tmpfs -o size=${value(disk.bytes)},mode=700 tmpfs ${value(disk.folder)}`);
  if (readOnly !== undefined) {
    const folder = value(readOnly);
    steps.push(`mount --bind ${folder} ${folder}`, `mount -o remount,bind,ro ${folder}`);
  }
  if (maxFiles !== undefined) steps.push(`ulimit -n ${value(maxFiles)}`);
  if (steps.length === 0) return [...command];
  const script = [...steps, `shift ${values.length}`, 'exec "$@"'].join(' && ');
  const shell = ['sh', '-c', script, 'sh', ...values, ...command];
  return disk === undefined && readOnly === undefined
    ? shell
    : ['unshare', '--user', '--map-root-user', '--mount', ...shell];
}

function probe(): string | null {
  if (process.platform !== 'linux') return 'Only on Linux can a disk be confined without privileges.';
  const folder = mkdtempSync(join(tmpdir(), 'busbar-disk-'));
  try {
    const [file = '', ...args] = confinedCommand({ disk: { folder, bytes: 65_536 } }, ['true']);
    if (spawnSync(file, args, { stdio: 'ignore' }).status === 0) return null;
    return 'This machine does not let a user mount a disk in a name space of its own (unshare --user --mount).';
  } finally {
    rmdirSync(folder);
  }
}
