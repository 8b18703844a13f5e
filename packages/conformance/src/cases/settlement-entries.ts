/** Entries of settlements: put with the settlement, and only if it takes effect. */

import type { Delivery, KvEntry, KvPut, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { ROUNDING_MS, receiveOne, settle, settleStatuses, waitUntil } from '../steps/consuming.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';

const MAX_VALUE_BYTES = 65_536;
/** Together they are larger than a request to a hub. */
const MANY = 20;
const encoder = new TextEncoder();

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A29',
    title: 'the entry of an ack is put with it: readers and watchers see it, with a revision above the last',
    rules: ['RE1', 'RE2'],
    smoke: true,
    async run(test, transport) {
      const values = await watchValues(test, 'out/');
      await test.send(transport, 'work', test.messages(4));
      const held = await test.receive(transport, 'work', 4);
      const first = await ackWith(test, transport, held[0], toEntry('out/a', 'one', 60_000));
      await test.until('the watcher has seen the first', () => values.at(-1) === 'out/a=one');
      test.check.between(first.ttlLeftMs ?? Number.NaN, 1, 60_000, 'time to live');
      test.check.equal(first.revision, first.createRevision, 'revision of creation of a new key');
      const second = await ackWith(test, transport, held[1], toEntry('out/a', 'two'));
      test.check.ok(second.revision > first.revision, 'its revision is above the last one');
      test.check.equal(second.createRevision, first.revision, 'revision of creation of a known key');
      test.check.equal(second.ttlLeftMs, undefined, 'time to live of an entry without one');
      const stale = await transport.kv.put('out/a', encoder.encode('old'), { ifRevision: first.revision });
      test.check.equal(stale.status, 'conflict', 'a put over the first revision');
      await test.until('the watcher has seen the second', () => values.at(-1) === 'out/a=two');
      await transport.kv.delete('out/a');
      const third = await ackWith(test, transport, held[2], toEntry('out/a', 'three'));
      test.check.ok(third.createRevision > second.revision, 'a key that was deleted is created again');
      const [put] = [await transport.kv.put('out/a', encoder.encode('four'), { ifRevision: third.revision })];
      test.check.equal(put.status, 'stored', 'a put over the revision of the settlement');
      await test.until('the watcher has seen the last', () => values.at(-1) === 'out/a=four');
      await settle(test, transport, held.slice(3), { action: 'ack', entry: toEntry('out/b', '') });
      test.check.equal((await transport.kv.get('out/b'))?.value.byteLength, 0, 'bytes of an empty value');
      await assertCounts(test, transport, 'work', { ready: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'A30',
    title: 'a settlement without effect puts no entry: neither after its lease nor with a used receipt',
    rules: ['RQ3'],
    async run(test, transport) {
      const [values, next] = [await watchValues(test, 'out/'), await test.open()];
      await transport.queues.configure('work', { leaseMs: 300 });
      await test.send(transport, 'work', test.messages(2));
      const stale = await test.receive(transport, 'work', 2);
      await waitUntil(test, performance.now() + test.beyond(300) + ROUNDING_MS);
      await transport.queues.configure('work', { leaseMs: 30_000 });
      const held = await receiveOne(test, next, 'work');
      for (const action of ['ack', 'retry', 'reject'] as const) {
        const late = { action, entry: toEntry('out/a', `late ${action}`) };
        test.check.equal(
          await settleStatuses(transport, stale, late),
          ['lease-lost', 'lease-lost'],
          `a late ${action}`,
        );
      }
      test.check.equal(await transport.kv.get('out/a'), undefined, 'the entry of a late settlement');
      const twice = await transport.queues.settle([
        { receipt: held.receipt, action: 'ack', entry: toEntry('out/a', 'first') },
        { receipt: held.receipt, action: 'ack', entry: toEntry('out/a', 'second') },
      ]);
      const statuses = twice.map(({ status }) => status);
      test.check.equal(statuses, ['done', 'lease-lost'], 'the same receipt twice in one batch');
      await transport.kv.put('out/end', encoder.encode(''));
      await test.until('the watcher has seen the end', () => values.at(-1) === 'out/end=');
      test.check.equal(values, ['out/a=first', 'out/end='], 'what the watcher saw');
    },
  },
  {
    id: 'A31',
    title: 'the entry of a reject is put at once, the entry of a retry only with the last attempt',
    rules: ['RQ5'],
    async run(test, transport) {
      await transport.queues.configure('work', { maxAttempts: 2 });
      await test.send(transport, 'work', [...test.messages(1), ...test.messages(1, { maxAttempts: 1 }, 'once')]);
      const [many, once] = await test.receive(transport, 'work', 2);
      const retry = (name: string) => ({ action: 'retry', entry: toEntry(name, 'failed') }) as const;
      await settle(test, transport, [many].filter(isGiven), retry('out/many'));
      await settle(test, transport, [once].filter(isGiven), retry('out/once'));
      test.check.equal(await textOf(transport, 'out/many'), undefined, 'the entry of the first of two attempts');
      test.check.equal(await textOf(transport, 'out/once'), 'failed', 'the entry of the only attempt');
      await settle(test, transport, [await receiveOne(test, transport, 'work')], retry('out/many'));
      test.check.equal(await textOf(transport, 'out/many'), 'failed', 'the entry of the last attempt');
      await test.send(transport, 'work', test.messages(1, {}, 'rejected'));
      const rejected = await receiveOne(test, transport, 'work');
      await settle(test, transport, [rejected], { action: 'reject', entry: toEntry('out/rejected', 'no') });
      test.check.equal(await textOf(transport, 'out/rejected'), 'no', 'the entry of a reject');
      await deadLetters(test, transport, 'work', 3);
    },
  },
  {
    id: 'A32',
    title: 'entries of the largest size are put; one byte more, or a bad key, refuses the call before any effect',
    rules: ['RD2', 'RA1'],
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(MANY));
      const held = await test.receive(transport, 'work', MANY);
      const largest = new Uint8Array(MAX_VALUE_BYTES).fill(7);
      const tooLarge = new Uint8Array(MAX_VALUE_BYTES + 1);
      const bad = [
        ['PAYLOAD_TOO_LARGE', { key: 'out/x', value: tooLarge }],
        ['INVALID_ARGUMENT', { key: 'a\0', value: largest }],
        ['INVALID_ARGUMENT', { key: 'out/x', value: largest, ttlMs: 0 }],
      ] as const;
      for (const [code, entry] of bad) {
        const [first, second] = held.map(({ receipt }) => receipt) as [string, string];
        const call = transport.queues.settle([
          { receipt: first, action: 'ack', entry: toEntry('out/x', 'fine') },
          { receipt: second, action: 'ack', entry },
        ]);
        await test.check.rejects(call, code, `an entry with ${entry.value.byteLength} bytes`);
      }
      await assertCounts(test, transport, 'work', { ready: 0, leased: MANY, dead: 0 });
      test.check.equal(await transport.kv.get('out/x'), undefined, 'an entry beside a bad one');
      const results = await transport.queues.settle(
        held.map(({ receipt }, index) => ({ receipt, action: 'ack', entry: { key: `out/${index}`, value: largest } })),
      );
      test.check.ok(
        results.every(({ status }) => status === 'done'),
        'all are settled',
      );
      const stored = await transport.kv.list('out/');
      test.check.equal(stored.length, MANY, 'entries');
      test.check.ok(
        stored.every(({ value }) => value.byteLength === MAX_VALUE_BYTES && value.every((byte) => byte === 7)),
        'each has its bytes',
      );
    },
  },
]);

function toEntry(key: string, text: string, ttlMs?: number): KvPut {
  return { key, value: encoder.encode(text), ttlMs };
}

function isGiven(delivery: Delivery | undefined): delivery is Delivery {
  return delivery !== undefined;
}

async function textOf({ kv }: Transport, key: string): Promise<string | undefined> {
  const entry = await kv.get(key);
  return entry && new TextDecoder().decode(entry.value);
}

/** Acks with an entry. Returns the entry as another client reads it. */
async function ackWith(
  test: TestContext,
  transport: Transport,
  delivery: Delivery | undefined,
  entry: KvPut,
): Promise<KvEntry> {
  await settle(test, transport, [delivery].filter(isGiven), { action: 'ack', entry });
  const stored = await (await test.open()).kv.get(entry.key);
  test.check.equal(stored?.value, entry.value, `the value of ${entry.key}`);
  return stored as KvEntry;
}

/** The values that another client sees, as `key=value`. */
async function watchValues(test: TestContext, prefix: string): Promise<readonly string[]> {
  const values: string[] = [];
  const decoder = new TextDecoder();
  const watch = await (await test.open()).kv.watch(prefix, (changes) => {
    for (const change of changes) {
      if (change.kind === 'put') values.push(`${change.entry.key}=${decoder.decode(change.entry.value)}`);
    }
  });
  test.defer(() => watch.close());
  return values;
}
