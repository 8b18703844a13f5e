// Hubs whose store loses its data: the hub is killed and started again over less.
import { cpSync, existsSync, rmSync } from 'node:fs';
import type { HarnessServer, HarnessStore } from '@busbar/conformance';

const PARTS = ['', '-wal', '-shm'];

/** How the store of `hub` loses its data; `file` is undefined for a store in memory. */
export function lossOf(
  { kill, start, pause, resume }: HarnessServer,
  file: string | undefined,
): NonNullable<HarnessStore['loss']> {
  const replace = (from: string | undefined, to: string): void => {
    for (const part of PARTS) {
      rmSync(to + part, { force: true });
      if (from !== undefined && existsSync(from + part)) cpSync(from + part, to + part);
    }
  };
  return {
    ...(file !== undefined && {
      async save() {
        // A stopped process writes nothing while its files are copied.
        pause();
        replace(file, `${file}.saved`);
        resume();
      },
    }),
    async lose(to) {
      await kill();
      if (file !== undefined) replace(to === 'saved' ? `${file}.saved` : undefined, file);
      await start();
    },
  };
}
