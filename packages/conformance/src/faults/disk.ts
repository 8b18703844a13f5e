/** Faults of a disk: it is busy, or full. */

import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInput } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';
import type { RemoteClient } from '../processes/remote-client.ts';

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

/** Sends until three consecutive sends are refused. */
export async function fillDisk(
  client: RemoteClient,
  test: TestContext,
): Promise<{ ids: string[]; refusals: Set<string> }> {
  const ids: string[] = [];
  const refusals = new Set<string>();
  for (let refused = 0, next = 0; refused < 3 && next < 1_000; next += 1) {
    const message: MessageInput = { id: `m-${next}`, body: new Uint8Array(65_536).fill(next) };
    try {
      const [result] = await client.send('work', [message]);
      test.check.ok(result?.status !== 'unknown', 'the outcome of a refused send is known');
      if (result?.status === 'stored') ids.push(message.id ?? '');
      if (result?.error === undefined) continue;
      refusals.add(result.error.code);
    } catch (error) {
      refusals.add((error as { code?: string }).code ?? String(error));
    }
    refused += 1;
  }
  return { ids, refusals };
}

/** Receives and acks until the queue is empty. Returns the ids in order. */
export async function drainProcess(test: TestContext, client: RemoteClient): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const got = await client.receive('work', { max: 10 });
    if (got.length === 0) return ids;
    const results = await client.settle(got.map(({ receipt }) => ({ receipt, action: 'ack' })));
    test.check.every(results, ({ status }) => status === 'done', 'acks on a full disk are done');
    ids.push(...got.map(({ id }) => id));
  }
}
