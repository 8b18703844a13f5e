// The harness of the conformance suite for a transport that follows a move.
import { join } from 'node:path';
import type { Transport } from '@busbar/api/transport';
import type { Harness, HarnessStore } from '@busbar/conformance';
import { tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openSqlite } from '@busbar/transport-sqlite';
import { type MigratePart, moveBus, openMigrate } from '../src/index.ts';
import { lossOf } from './file-loss.ts';

/** Small enough for a case to exceed it. */
const SMALL = { durability: 'process', retention: { maxEvents: 20_000, maxBytes: 64 * 1024 * 1024 } } as const;

/** Whether the bus moves before each case, at a random moment of it, or not at all. */
export type Moment = 'never' | 'before' | 'during';

/** A bus that moves from one file to another, for other processes. */
export interface Files {
  readonly folder: string;
}

/** Opens a follower of a move between two files. */
export function openFiles({ folder }: Files): Promise<Transport> {
  return openMigrate(fileParts(folder));
}

/** The parts of a move between two files. */
export function fileParts(folder: string): { from: MigratePart; to: MigratePart } {
  const part = (name: string): MigratePart => ({
    name,
    open: () => openSqlite({ file: join(folder, `${name}.db`), ...SMALL }),
  });
  return { from: part('from'), to: part('to') };
}

/** From memory to SQLite: within this process. */
export function memoryHarness(moment: Moment): Harness {
  return {
    name: `migrate (memory, sqlite), move ${moment}`,
    missing: {
      processes: 'Memory lives in one process.',
      reopen: 'Memory lives no longer than its last client.',
      files: 'Memory has no files.',
      format: 'Memory has no format.',
      options: 'Each part has its own options.',
      loss: 'The parts are tested for it.',
    },
    serverless: true,
    async store() {
      const dir = tempDir('busbar-migrate');
      const name = crypto.randomUUID();
      const from: MigratePart = { name: 'memory', open: () => openMemory({ name, retention: SMALL.retention }) };
      const to: MigratePart = {
        name: 'sqlite',
        open: () => openSqlite({ file: dir.join('to.db'), ...SMALL }),
      };
      return moving({ from, to }, moment, { remove: async () => await dir[Symbol.asyncDispose]() });
    },
  };
}

/** From one file to another: any number of processes. */
export function filesHarness(moment: Moment): Harness {
  return {
    name: `migrate (sqlite, sqlite), move ${moment}`,
    missing: {
      files: 'The parts are tested for it.',
      format: 'The parts are tested for it.',
      options: 'Each part has its own options.',
      ...(moment === 'during' && { loss: 'A move fails when one of its stores loses its data.' }),
    },
    serverless: true,
    async store() {
      const dir = tempDir('busbar-migrate');
      return moving(fileParts(dir.path), moment, {
        opener: { module: import.meta.url, name: 'openFiles', argument: { folder: dir.path } satisfies Files },
        loss: lossOf(dir.join(moment === 'never' ? 'from.db' : 'to.db')),
        remove: async () => await dir[Symbol.asyncDispose](),
      });
    },
  };
}

/** Cases are short: most moves are within them. */
const WITHIN_MS = 150;

async function moving(
  parts: { readonly from: MigratePart; readonly to: MigratePart },
  moment: Moment,
  rest: Pick<HarnessStore, 'opener' | 'loss' | 'remove'>,
): Promise<HarnessStore> {
  // The stores in memory keep timers as long as a client is open.
  if (moment === 'never') return { ...rest, open: () => openMigrate(parts) };
  const [from, to] = await Promise.all([parts.from.open(), parts.to.open()]);
  const ends = { from: { transport: from, name: parts.from.name }, to: { transport: to, name: parts.to.name } };
  if (moment === 'before') await moveBus(ends);
  let move: Promise<unknown> | undefined;
  const moveSoon = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * WITHIN_MS));
    await moveBus(ends);
  };
  return {
    ...rest,
    open() {
      if (moment === 'during' && move === undefined) {
        move = moveSoon();
        move.catch(() => undefined); // `remove` reports it.
      }
      return openMigrate(parts);
    },
    async remove() {
      await move;
      await Promise.all([from.close(), to.close()]);
      await rest.remove();
    },
  };
}
