/** Processes with restricted resources: a small disk, a read-only folder, few open files. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Restricted resources of a process. */
export interface Confinement {
  /** Mounts an empty disk of `bytes` at `folder`. Needs the harness feature `disk`. */
  readonly disk?: { readonly folder: string; readonly bytes: number };
  /** Makes this folder read-only. Needs the harness feature `disk`. */
  readonly readOnly?: string;
  /** Maximum number of open files and sockets. */
  readonly maxFiles?: number;
  /** Maximum size of a file in bytes, a multiple of 512. */
  readonly maxFileBytes?: number;
}

let reason: string | null | undefined;

/** Returns the reason if this machine cannot restrict disks, else undefined. */
export function diskLimitsMissing(): string | undefined {
  reason ??= probe();
  return reason ?? undefined;
}

/** Returns the command that runs `command` confined. Its mounts are private: it has its own namespace (Linux). */
export function confinedCommand(
  { disk, readOnly, maxFiles, maxFileBytes }: Confinement,
  command: readonly string[],
): string[] {
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
  if (maxFileBytes !== undefined) steps.push(`ulimit -f ${value(maxFileBytes / 512)}`);
  if (steps.length === 0) return [...command];
  const script = [...steps, `shift ${values.length}`, 'exec "$@"'].join(' && ');
  const shell = ['sh', '-c', script, 'sh', ...values, ...command];
  return disk === undefined && readOnly === undefined
    ? shell
    : ['unshare', '--user', '--map-root-user', '--mount', ...shell];
}

function probe(): string | null {
  if (process.platform !== 'linux') return 'Restricting a disk without privileges needs Linux.';
  const folder = mkdtempSync(join(tmpdir(), 'busbar-disk-'));
  try {
    const [file = '', ...args] = confinedCommand({ disk: { folder, bytes: 65_536 } }, ['true']);
    if (spawnSync(file, args, { stdio: 'ignore' }).status === 0) return null;
    return 'This machine does not allow private mounts for users (unshare --user --mount).';
  } finally {
    rmdirSync(folder);
  }
}
