/** Functions that cases run in another process, beyond the calls of a client. */

import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { isBusbarError } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

/** Writes a file to use up space. It contains no zeros because a file system may store those sparsely. */
/** Writes a file until the disk is full. */
export function writeUntilFull(_transport: Transport, path: string): void {
  const fd = openSync(path, 'w');
  try {
    for (;;) writeSync(fd, Buffer.alloc(4096, 'ballast'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(fd);
  }
}

export function writeFile(_transport: Transport, { path, bytes }: { path: string; bytes: number }): void {
  writeFileSync(path, Buffer.alloc(bytes, 'ballast'));
}

export function removeFile(_transport: Transport, path: string): void {
  rmSync(path);
}

/** Sends while no file can be opened. Returns the outcome of each message and the number of opened files. */
export async function sendWithoutFiles(transport: Transport, queue: string): Promise<Record<string, unknown>> {
  const files = takeFiles();
  const stored: string[] = [];
  const unknown: string[] = [];
  const strange: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    const id = `starved-${index}`;
    try {
      const [result] = await transport.queues.send(queue, [{ id, body: new Uint8Array(10) }]);
      if (result?.status === 'stored') stored.push(id);
      if (result?.status === 'unknown') unknown.push(id);
    } catch (error) {
      if (!isBusbarError(error)) strange.push(String(error));
      else if (error.outcome === 'unknown') unknown.push(id);
    }
  }
  for (const file of files) closeSync(file);
  return { opened: files.length, stored, unknown, strange };
}

function takeFiles(): number[] {
  const files: number[] = [];
  try {
    for (;;) files.push(openSync('/dev/null', 'r'));
  } catch {
    return files;
  }
}
