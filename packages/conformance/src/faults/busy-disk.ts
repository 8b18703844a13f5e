/** Keeps the disk busy during a fault. */

import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from '../context/test-context.ts';

const PIECE = Buffer.alloc(4 * 1_048_576, 'x');
const PIECES = 4;

/** Repeatedly writes and syncs the same 16 MiB until the case ends. */
export async function keepDiskBusy(test: TestContext): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-busy-'));
  const file = await open(join(folder, 'busy'), 'w');
  let isOver = false;
  const write = async (): Promise<void> => {
    for (let turn = 0; !isOver; turn += 1) {
      await file.write(PIECE, 0, PIECE.length, (turn % PIECES) * PIECE.length);
      await file.sync();
    }
  };
  const writing = write();
  test.defer(async () => {
    isOver = true;
    await writing;
    await file.close();
    await rm(folder, { recursive: true });
  });
}
