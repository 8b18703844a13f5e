/** Concurrency: writers of one key that race by put, touch, delete and expiry. */

import { setTimeout as pause } from 'node:timers/promises';
import type { KvEntry, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { storedOf } from '../steps/values.ts';

const MINUTE_MS = 60_000;
const EXPIRY_MS = 400;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Concurrency', timeoutMs: 40_000 }, [
  {
    id: 'K8',
    title: 'of writers that race for a key by put and touch one wins, and no touch renews what is no longer its own',
    rules: ['RE1'],
    async run(test) {
      const clients = await Promise.all([test.transport(), test.open(), test.open(), test.open()]);
      await racePuts(test, clients);
      for (let round = 0; round < 15; round += 1) await replaceHolder(test, clients, `held.${round}`);
      const keys = Array.from({ length: 24 }, (_, index) => `expiring.${index}`);
      await Promise.all(keys.map((key) => raceExpiry(test, clients, key)));
    },
  },
]);

/** Of puts with one expected revision exactly one is stored; touches beside them neither win nor change anything. */
async function racePuts(test: TestContext, clients: readonly Transport[]): Promise<void> {
  const [{ kv } = await test.open()] = clients;
  let last = storedOf(test, await kv.put('raced', Uint8Array.of(0), { ttlMs: MINUTE_MS }));
  const { createRevision } = last;
  for (let round = 0; round < 25; round += 1) {
    const touches: Promise<readonly { readonly status: string }[]>[] = [];
    const puts = [...clients, ...clients].map((client, index) => {
      touches.push(client.kv.touch([{ key: 'raced', ttlMs: MINUTE_MS, createRevision }]));
      return client.kv.put('raced', Uint8Array.of(index), { ttlMs: MINUTE_MS, ifRevision: last.revision });
    });
    const results = await Promise.all(puts);
    const winners = results.flatMap((result, index) => (result.status === 'stored' ? [index] : []));
    test.check.equal(winners.length, 1, `puts that won round ${round}`);
    const touched = (await Promise.all(touches)).flat().map(({ status }) => status);
    test.check.equal(new Set(touched), new Set(['touched']), 'touches of a key that exists');
    last = storedOf(test, results[winners[0] ?? 0]);
    const entry = await entryOf(test, kv.get('raced'));
    const found = [entry.value[0], entry.revision, entry.createRevision];
    test.check.equal(found, [winners[0], last.revision, createRevision], 'value and revisions of the winner');
    test.check.between(entry.ttlLeftMs ?? 0, 1, test.beyond(MINUTE_MS), 'remaining time to live');
  }
}

/** While the former holder touches, the key is deleted and put again: the new entry stays without a time to live. */
async function replaceHolder(test: TestContext, clients: readonly Transport[], key: string): Promise<void> {
  const [{ kv } = await test.open(), ...others] = clients;
  const old = storedOf(test, await kv.put(key, Buffer.from('old'), { ttlMs: MINUTE_MS, ifRevision: 0 }));
  let isOver = false;
  const touching = others.map(async (client) => {
    const statuses: string[] = [];
    while (!isOver) {
      const results = await client.kv.touch([{ key, ttlMs: MINUTE_MS, createRevision: old.createRevision }]);
      statuses.push(...results.map(({ status }) => status));
      await new Promise(setImmediate);
    }
    return statuses;
  });
  await pause(test.random() * 10);
  test.check.equal((await kv.delete(key, { ifRevision: old.revision })).status, 'deleted', 'a delete beside touches');
  const fresh = storedOf(test, await kv.put(key, Buffer.from('new'), { ifRevision: 0 }));
  await pause(test.random() * 10);
  isOver = true;
  for (const statuses of await Promise.all(touching)) {
    test.check.ok(!statuses.join().includes('lost,touched'), 'a touch of a lost entry renews nothing');
  }
  const entry = await entryOf(test, kv.get(key));
  const found = [test.text({ body: entry.value }), entry.createRevision, entry.ttlLeftMs];
  test.check.equal(found, ['new', fresh.createRevision, undefined], 'the entry of the new holder');
}

/** When an entry expires, either its holder has renewed it or another writer has created it, never both. */
async function raceExpiry(test: TestContext, clients: readonly Transport[], key: string): Promise<void> {
  const [{ kv } = await test.open(), rival = await test.open()] = clients;
  const held = storedOf(test, await kv.put(key, Buffer.from('held'), { ttlMs: EXPIRY_MS, ifRevision: 0 }));
  let isRenewed = false;
  const rivalry = (async () => {
    while (!isRenewed) {
      const taken = await rival.kv.put(key, Buffer.from('taken'), { ifRevision: 0 });
      if (taken.status === 'stored') return taken.createRevision;
      await pause(2);
    }
    return undefined;
  })();
  await pause(EXPIRY_MS - 30 + test.random() * 40);
  const [renewal] = await kv.touch([{ key, ttlMs: MINUTE_MS, createRevision: held.createRevision }]);
  isRenewed = renewal?.status === 'touched';
  const taken = await rivalry;
  test.check.equal(taken === undefined, isRenewed, 'either renewed or taken');
  const { createRevision } = await entryOf(test, kv.get(key));
  test.check.equal(createRevision, taken ?? held.createRevision, 'holder of the key');
}

async function entryOf(test: TestContext, got: Promise<KvEntry | undefined>): Promise<KvEntry> {
  return (await got) ?? test.check.fail('the key does not exist');
}
