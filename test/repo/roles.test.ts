// The same role has the same file in each transport, so that a reader of one finds the way in all.
import { basename } from 'node:path/posix';
import { describe, expect, test } from 'vitest';
import { repositoryFiles } from './sources.ts';

type Transport = 'memory' | 'sqlite' | 'redis' | 'nats';
const transports: readonly Transport[] = ['memory', 'sqlite', 'redis', 'nats'];

const inQueue = 'A queue is one object of this process: queues/queue.ts sends, claims and settles.';
const inTopic = 'A topic is one log of this process: topics/event-log.ts.';
const inAdmin = 'Few lines each: admin/admin.ts, admin/browse.ts, admin/transfer.ts.';
const noMaintenance = 'Timers of this process do it: there are no other processes and no files.';
const inScripts = 'Lua scripts do it with the work of queues: lua/.';

/** Each role with its file, and the transports without that file, each with the reason. */
const roles: Readonly<Record<string, Readonly<Partial<Record<Transport, string>>>>> = {
  'index.ts': {},
  'options.ts': {},
  'errors.ts': { memory: 'It has only the errors of every backend: @busbar/api/driver.' },
  'capabilities.ts': { memory: 'Few lines: memory-driver.ts.' },
  'queues/send.ts': { memory: inQueue },
  'queues/claim.ts': { memory: inQueue },
  'queues/settle.ts': { memory: inQueue },
  'queues/stored-message.ts': {},
  'queues/dedupe.ts': { redis: inScripts },
  'queues/receipt.ts': { memory: 'A receipt is a number of this process.' },
  'topics/publish.ts': { memory: inTopic },
  'topics/cursors.ts': { memory: inTopic },
  'topics/event-cursor.ts': {},
  'topics/bindings.ts': { memory: inTopic },
  'topics/backfill.ts': { memory: inTopic, nats: 'A binding reads history and what follows with one consumer.' },
  'topics/position.ts': { memory: 'A position is a number of this process.' },
  'kv/kv.ts': { memory: 'One file is no folder: kv.ts.' },
  'kv/watch.ts': { memory: 'WatchCursor of @busbar/api/driver is all that a watch needs.' },
  'admin/inspect.ts': { memory: inAdmin },
  'admin/operate.ts': { memory: inAdmin },
  'admin/export.ts': { memory: inAdmin },
  'admin/import.ts': { memory: inAdmin },
  'maintenance/scheduler.ts': { memory: noMaintenance },
  'maintenance/rescuer.ts': { memory: noMaintenance, redis: inScripts },
  'maintenance/pruner.ts': {
    memory: noMaintenance,
    redis: inScripts,
    nats: 'JetStream trims topics, and deletes dead letters by their TTL.',
  },
  'maintenance/compactor.ts': { memory: noMaintenance, redis: 'The server manages its memory and files.' },
};

describe.each(transports)('%s', (transport) => {
  const files = new Set(filesOf(transport));

  test('has the driver and a file for each role, or a declared reason', () => {
    const missing = Object.entries(roles).filter(([file, reasons]) => !files.has(file) && !reasons[transport]);
    expect(missing.map(([file]) => file)).toEqual([]);
    expect(files).toContain(`${transport}-driver.ts`);
  });

  test('has no reason for a file that is there', () => {
    const stale = Object.entries(roles).filter(([file, reasons]) => files.has(file) && reasons[transport]);
    expect(stale.map(([file]) => file)).toEqual([]);
  });
});

test('a file name stands in the same folder in all transports', () => {
  const places = new Map<string, Set<string>>();
  for (const file of transports.flatMap(filesOf)) {
    // A folder of one file is left out, and Lua scripts are named after the folder whose work they do.
    if (!file.includes('/') || file.startsWith('lua/')) continue;
    places.set(basename(file), new Set([...(places.get(basename(file)) ?? []), file]));
  }
  expect([...places.values()].map((each) => [...each]).filter(({ length }) => length > 1)).toEqual([]);
});

/** The files of a transport, relative to its `src`. */
function filesOf(transport: Transport): string[] {
  const folder = `packages/transport-${transport}/src/`;
  return repositoryFiles()
    .filter((file) => file.startsWith(folder) && file.endsWith('.ts'))
    .map((file) => file.slice(folder.length));
}
