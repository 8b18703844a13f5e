/** What the check of the gate costs in every write: the same backend with and without it, by turns in one process. */

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import type { Transport } from '@busbar/api/transport';
import { findServer, startRedis } from '@busbar/testbed';
import { openRedis, parseRedisUrl } from '@busbar/transport-redis';
import { openSqlite } from '@busbar/transport-sqlite';
import { Redis } from 'ioredis';
import { cost, type Figure, median } from '../figures.ts';
import { cpuMs } from '../processes/usage.ts';
import type { Scenario } from './scenario.ts';

const ROUNDS = 21;
const QUEUE = 'work';
const BODY = new Uint8Array(256);
/** Messages in one call, and calls of one round. */
const SIZES = [
  { batch: 1, calls: 200 },
  { batch: 64, calls: 30 },
] as const;

/** A part of a URL: a module with it is a second copy of that file, without the gate. */
const UNGATED = '?ungated';
/** What is left out, by the end of the file's path. */
const CUTS: Readonly<Record<string, readonly (readonly [text: string, instead: string])[]>> = {
  '/transport-sqlite/src/connection/transaction.ts': [
    ['const gate = loadGate(this.store, this.ns) ?? NEVER_CHANGED;', 'const gate = NEVER_CHANGED;'],
    ['    checkGate(this.gate, gateRevision);\n', ''],
    ['return isClosed(this.gate) ? gateClosed(this.gate) : undefined;', 'return undefined;'],
  ],
  '/transport-redis/src/lua/script.ts': [
    ["local gateText = call('HGET', ns .. 'header', 'gate')", 'local gateText = false'],
    ["if gate.stopped > 0 then return redis.error_reply('GATE ' .. gate.state .. ' ' .. gate.movedTo) end", ''],
  ],
};

/** One backend, and the time that its calls have taken so far. */
interface Subject {
  readonly name: string;
  readonly gated: Transport;
  readonly ungated: Transport;
  spentUs(): number | Promise<number>;
}

export const gate: Scenario = {
  title: `Gate of a bus that may move: CPU time of a task with and without its check (median of ${ROUNDS}, by turns; SQLite in its process, Redis at the server)`,
  alone: true,
  mostRuns: 1,
  seconds: () => 40,
  async run({ location: { folder } }) {
    const leaveOut = registerHooks({ resolve: passOn, load: withoutGate });
    try {
      return [...(await measureSqlite(folder)), ...(findServer('redis-server') ? await measureRedis() : [])];
    } finally {
      leaveOut.deregister();
    }
  },
};

async function measureSqlite(folder: string): Promise<Figure[]> {
  const { openSqlite: openUngated } = await ungated<{ openSqlite: typeof openSqlite }>('@busbar/transport-sqlite');
  await using gated = await openSqlite({ file: `${folder}/gated.db` });
  await using other = await openUngated({ file: `${folder}/ungated.db` });
  return await measure({ name: 'SQLite', gated, ungated: other, spentUs: () => cpuMs() * 1000 });
}

async function measureRedis(): Promise<Figure[]> {
  const { openRedis: openUngated } = await ungated<{ openRedis: typeof openRedis }>('@busbar/transport-redis');
  await using server = await startRedis({ config: ['appendonly no'] });
  await using gated = await openRedis(parseRedisUrl(`${server.url}?ns=gated`));
  await using other = await openUngated(parseRedisUrl(`${server.url}?ns=ungated`));
  const client = new Redis(server.url);
  try {
    const spentUs = async (): Promise<number> => scriptUs(await client.info('commandstats'));
    return await measure({ name: 'Redis', gated, ungated: other, spentUs });
  } finally {
    client.disconnect();
  }
}

/** A module and all that it imports from its package, without the gate. */
function ungated<Module>(name: string): Promise<Module> {
  return import(import.meta.resolve(name) + UNGATED) as Promise<Module>;
}

/** What a copy imports from its own package is a copy, too. */
const passOn: Parameters<typeof registerHooks>[0]['resolve'] = (specifier, context, next) => {
  const found = next(specifier, context);
  const isCopied = context.parentURL?.endsWith(UNGATED) === true && specifier.startsWith('.');
  return isCopied ? { ...found, url: found.url + UNGATED } : found;
};

const withoutGate: Parameters<typeof registerHooks>[0]['load'] = (url, context, next) => {
  if (!url.endsWith(UNGATED)) return next(url, context);
  const path = url.slice(0, -UNGATED.length);
  let source = readFileSync(new URL(path), 'utf8');
  for (const [text, instead] of CUTS[Object.keys(CUTS).find((end) => path.endsWith(end)) ?? ''] ?? []) {
    if (!source.includes(text)) throw new Error(`${path} has changed: there is no ${text}`);
    source = source.replace(text, instead);
  }
  return { ...next(url, context), source };
};

async function measure(subject: Subject): Promise<Figure[]> {
  // A bus that has moved once has a gate to read.
  const { admin } = subject.gated;
  const { revision } = await admin.setGate('draining', { ifRevision: (await admin.gate()).revision });
  await admin.setGate('open', { ifRevision: revision });
  const figures: Figure[] = [];
  for (const { batch, calls } of SIZES) {
    const at = batch === 1 ? '1 in a call' : `${batch} in a call`;
    const rounds = await runRounds(subject, batch, calls);
    const [withGate, without] = [median(rounds.map(([one]) => one)), median(rounds.map(([, other]) => other))];
    const share = median(rounds.map(([one, other]) => (one - other) / other));
    figures.push(
      cost(`${subject.name}, with it`, 'µs', withGate, at),
      cost(`${subject.name}, without`, 'µs', without, at),
      cost(`${subject.name}, more`, '%', share * 100, at),
    );
  }
  return figures;
}

/** The time of a task in each round: with the gate, and without. The first rounds warm up. */
async function runRounds(
  { gated, ungated: other, spentUs }: Subject,
  batch: number,
  calls: number,
): Promise<(readonly [withGate: number, without: number])[]> {
  const spend = async (transport: Transport): Promise<number> => {
    const before = await spentUs();
    for (let call = 0; call < calls; call += 1) await handle(transport, batch);
    return ((await spentUs()) - before) / (calls * batch);
  };
  const rounds: (readonly [number, number])[] = [];
  for (let round = -ROUNDS; round < ROUNDS; round += 1) {
    // Each goes first as often as the other.
    const first = round % 2 === 0 ? await spend(gated) : undefined;
    const without = await spend(other);
    const withGate = first ?? (await spend(gated));
    if (round >= 0) rounds.push([withGate, without]);
  }
  return rounds;
}

/** Sends, receives and acks. */
async function handle({ queues }: Transport, count: number): Promise<void> {
  await queues.send(
    QUEUE,
    Array.from({ length: count }, () => ({ body: BODY })),
  );
  const deliveries = await queues.receive(QUEUE, { max: count });
  if (deliveries.length !== count) throw new Error(`${deliveries.length} of ${count} messages came`);
  await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
}

/** The time that the server has spent in scripts. */
function scriptUs(info: string): number {
  const times = [...info.matchAll(/^cmdstat_eval(?:sha)?:calls=\d+,usec=(\d+)/gm)].map(([, us]) => Number(us));
  return times.reduce((sum, us) => sum + us, 0);
}
