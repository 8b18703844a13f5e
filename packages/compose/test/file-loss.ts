// How the SQLite part of a composed transport loses its data while clients are open.
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import type { HarnessStore } from '@busbar/conformance';
import { openSqlite } from '@busbar/transport-sqlite';

const PARTS = ['', '-wal', '-shm'];

/** Replaces `file` by nothing, or by a copy. Files are copied in one turn of the event loop, so that nothing writes meanwhile. */
export function lossOf(file: string): NonNullable<HarnessStore['loss']> {
  const saved = `${file}.saved`;
  return {
    save: async () => replace(file, saved),
    lose: async (to) => {
      if (to === 'saved') replace(saved, file);
      else remove(file);
      await (await openSqlite({ file })).close();
    },
  };
}

function replace(from: string, to: string): void {
  remove(to);
  for (const part of PARTS) if (existsSync(from + part)) copyFileSync(from + part, to + part);
}

function remove(file: string): void {
  for (const part of PARTS) rmSync(file + part, { force: true });
}
