// Clients that ask for large answers of every kind and never read them: what the hub keeps for each is limited.
import { readFileSync } from 'node:fs';
import { waitFor } from '@busbar/testbed';
import { FRAME, frame, type Header } from '@busbar/wire';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openUnix, stopHub } from '../../src/index.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { type RunningHub, startHub } from '../support/running-hub.ts';

const CLIENTS = 20;
const REQUESTS = 100;
/** What the hub may keep for one client: its answers, and the copies until the garbage is collected. */
const PER_CLIENT = 8 * 1024 * 1024;
const SLACK = 128 * 1024 * 1024;

let hub: RunningHub;

beforeEach(async () => {
  hub = await startHub('sqlite:$');
  await using client = await openUnix({ path: hub.path });
  const value = Buffer.alloc(65_536, 1);
  const body = Buffer.alloc(400_000, 1);
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
  await Promise.all(numbers(200).map((index) => client.kv.put(`large/${index}`, value)));
  await Promise.all(numbers(40).map(() => client.queues.send('large', [{ body }])));
  await Promise.all(numbers(40).map(() => client.topics.publish('large', [{ body }])));
  await Promise.all(numbers(REQUESTS).map((index) => client.queues.send(`own.${index}`, [{ body }])));
}, 60_000);

afterEach(() => hub[Symbol.asyncDispose]());

/** The resident memory of the hub in bytes. */
function residentBytes(): number {
  const [, pages = '0'] = readFileSync(`/proc/${hub.child.pid}/statm`, 'utf8').split(' ');
  return Number(pages) * 4096;
}

const NEXT = Array.from({ length: REQUESTS }, (): Header => ({ op: 'cursor.next', cursor: 1 }));
const repeat = (op: Header): readonly Header[] => Array.from({ length: REQUESTS }, () => op);

const KINDS: readonly (readonly [name: string, requests: readonly Header[]])[] = [
  ['lists of keys', repeat({ op: 'kv.list', prefix: '' })],
  ['values', repeat({ op: 'kv.get', key: 'large/1' })],
  ['conflicts', repeat({ op: 'kv.put', key: 'large/1', ifRevision: 1 })],
  ['browses', repeat({ op: 'admin.browse', queue: 'large', limit: 1000 })],
  ['deliveries of one queue', repeat({ op: 'queues.receive', queue: 'large', max: 1000 })],
  [
    'deliveries of many queues',
    Array.from({ length: REQUESTS }, (_, index) => ({
      op: 'queues.receive',
      queue: `own.${index}`,
      max: 9,
      waitMs: null,
    })),
  ],
  ['an export', [{ op: 'admin.exportState' }, ...NEXT]],
  ['exports', repeat({ op: 'admin.exportState' })],
  ['the history of a topic', [{ op: 'topics.subscribe', pattern: '>', from: 'start' }, ...NEXT]],
  ['subscriptions', repeat({ op: 'topics.subscribe', pattern: '>', from: 'start' })],
  ['a watch', [{ op: 'kv.watch', prefix: '' }, ...NEXT]],
  ['watches', repeat({ op: 'kv.watch', prefix: '' })],
];

/** The highest resident memory of the hub while `work` runs, in bytes. */
async function highestDuring(work: () => Promise<void>): Promise<number> {
  let highest = 0;
  const sampling = setInterval(() => {
    highest = Math.max(highest, residentBytes());
  }, 5);
  try {
    await work();
    return highest;
  } finally {
    clearInterval(sampling);
  }
}

/** Asks for `requests` and reads nothing. A cursor is opened before it is read. */
async function askWithoutReading(peer: RawPeer, requests: readonly Header[]): Promise<void> {
  const bodies = requests[0]?.['op'] === 'kv.put' ? [Buffer.from('x')] : [];
  const frames = requests.map((header, index) => frame(FRAME.request, index + 1, header, bodies));
  if (requests.includes(NEXT[0]!)) {
    peer.send(frames.shift()!);
    await waitFor(() => peer.frames.some(({ id }) => id === 1), { what: 'the cursor', timeoutMs: 30_000 });
  }
  peer.socket.pause();
  peer.send(...frames);
}

test.skipIf(process.platform !== 'linux').each(KINDS)('%s', { timeout: 120_000 }, async (_, requests) => {
  const before = residentBytes();
  const peers = await Promise.all(Array.from({ length: CLIENTS }, () => RawPeer.welcomed(hub.path)));
  const highest = await highestDuring(async () => {
    for (const peer of peers) await askWithoutReading(peer, requests);
    // Another client is served meanwhile, after all that the others have asked for and can get.
    await using witness = await openUnix({ path: hub.path });
    for (let round = 0; round < 50; round += 1) await witness.queues.send('well', [{ body: Buffer.from('x') }]);
  });
  await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
  const grown = highest - before;
  expect(grown, `${Math.round(grown / 2 ** 20)} MiB`).toBeLessThan(CLIENTS * PER_CLIENT + SLACK);
});

test('an ending hub leaves requests that wait for room to the next hub', { timeout: 60_000 }, async () => {
  await using peer = await RawPeer.welcomed(hub.path);
  await askWithoutReading(peer, repeat({ op: 'kv.list', prefix: '' }));
  await using witness = await openUnix({ path: hub.path });
  await witness.kv.get('large/1');
  const stopped = stopHub(`unix:${hub.path}`);
  peer.socket.resume();
  await peer.refused(30_000);
  await stopped;
  expect(peer.frames.filter(({ type }) => type === FRAME.error)).toEqual([]);
  expect(peer.frames.filter(({ type }) => type === FRAME.response).length).toBeLessThan(REQUESTS);
});
