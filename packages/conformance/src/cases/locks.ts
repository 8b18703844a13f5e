/** Locks: one holder at a time. */

import { type Bus, type Lock, openBus } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { within } from '../context/until.ts';
import { withLateAnswers } from '../faults/late-answers.ts';
import { minLifetime, waitUntil } from '../steps/consuming.ts';
import { untilFired } from '../steps/requesting.ts';
import { storedOf } from '../steps/values.ts';

const AT_ONCE = { waitMs: 0 } as const;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Locks/fencing' }, [
  {
    id: 'W1',
    title: 'a lock excludes all others until it is released, and can then be acquired again',
    rules: ['RE1'],
    smoke: true,
    async run(test) {
      const [one, two] = [await test.bus(), await test.bus()];
      const before = Date.now();
      const lock = await one.lock('agents.md', { owner: '@editor' });
      const holder = await two.lockHolder('agents.md');
      test.check.equal([holder?.owner, holder?.token], ['@editor', lock.token], 'holder');
      test.check.between(holder?.since ?? 0, before, Date.now(), 'since when');
      test.check.between(holder?.leaseLeftMs ?? 0, 20_000, 30_000, 'remaining time');
      for (const bus of [two, one]) {
        const error = await test.check.rejects(bus.lock('agents.md', AT_ONCE), 'CONFLICT', 'a lock that is held');
        const isNamed = error.message.includes('@editor') && error.retryable;
        test.check.ok(isNamed, `the error names the holder: ${error.message}`);
      }
      await test.check.rejects(two.lock('agents.md', { waitMs: 100 }), 'TIMEOUT', 'waiting for a lock that is held');
      await (await two.lock('agents', AT_ONCE)).release();
      await (await two.lock('agents.md/2', AT_ONCE)).release();
      await lock.release();
      test.check.equal([lock.lost, await two.lockHolder('agents.md')], [false, undefined], 'after the release');
      const response = await two.lock('agents.md', async (held) => {
        await test.check.rejects(one.lock('agents.md', AT_ONCE), 'CONFLICT', 'a lock around work');
        return held.name;
      });
      const end = [response, await one.lockHolder('agents.md')];
      test.check.equal(end, ['agents.md', undefined], 'when the work is done');
    },
  },
  {
    id: 'W2',
    title: 'a caller that lost or never held a lock cannot change it',
    rules: ['RE1'],
    async run(test) {
      const [one, two] = [await test.bus(), await test.bus()];
      test.check.equal(await one.lockHolder('unknown'), undefined, 'holder of an unknown lock');
      const first = await one.lock('door', AT_ONCE);
      await first.release();
      await first.release();
      const second = await two.lock('door', AT_ONCE);
      await test.check.rejects(first.extend(), 'LEASE_LOST', 'extending a released lock');
      await first.release();
      test.check.equal((await one.lockHolder('door'))?.token, second.token, 'holder afterwards');
      await test.check.rejects(one.lock('door', AT_ONCE), 'CONFLICT', 'the lock of the new holder');
      const { kv } = await test.transport();
      const [entry] = await kv.list('$lock/door');
      const revision = entry?.revision ?? 0;
      const [touched] = await kv.touch([{ key: '$lock/door', ttlMs: 60_000, createRevision: first.token }]);
      test.check.equal(touched?.status, 'lost', 'renewing it with the token of the former holder');
      const deleted = await kv.delete('$lock/door', { ifRevision: first.token });
      test.check.equal(deleted.status, 'conflict', 'releasing it with the token of the former holder');
      test.check.equal((await kv.get('$lock/door'))?.revision, revision, 'the lock is unchanged');
      await second.extend();
      await second.release();
      for (const name of ['', 'a\0b', 'x'.repeat(481)])
        await test.check.rejects(one.lock(name, AT_ONCE), 'INVALID_ARGUMENT', 'an illegal name of a lock');
    },
  },
  {
    id: 'W3',
    title: 'a lock without renewal expires: its holder learns of it, and a waiter acquires it',
    rules: ['RE2', 'RE1'],
    smoke: true,
    async run(test) {
      const [one, two] = [await test.bus(), await test.bus()];
      const asked = performance.now();
      const first = await one.lock('door', { leaseMs: 400, renew: false });
      const taken = performance.now();
      const lost = untilFired(first.signal);
      const second = await two.lock('door', { waitMs: 10_000 });
      const acquired = performance.now();
      // The lease began between both.
      test.check.between(acquired - asked, 399, Number.POSITIVE_INFINITY, 'the waiter acquired it after the call');
      test.check.between(acquired - taken, 0, test.beyond(400) + 4_000, 'the waiter acquired it after');
      test.check.ok(first.lost, 'the former holder knows of the loss');
      await within(5_000, 'the signal of a lost lock did not fire', lost);
      const { reason } = first.signal as { reason: { code?: string } };
      test.check.equal(reason.code, 'LEASE_LOST', 'reason of the signal');
      test.check.ok(second.token > first.token, 'the token of the new holder is higher');
      await first.release();
      test.check.equal((await one.lockHolder('door'))?.token, second.token, 'releasing a lost lock has no effect');
      const work = one.lock(
        'other',
        async ({ signal }) => {
          await test.until('it is lost', () => signal.aborted);
        },
        { leaseMs: 60, renew: false },
      );
      await test.check.rejects(work, 'LEASE_LOST', 'work under a lost lock');
    },
  },
  {
    id: 'W4',
    title: 'a lock renews itself while it is held, and extending a lost lock fails',
    rules: ['RE1', 'RE2'],
    load: 'timed',
    async run(test) {
      const [one, two] = [await test.bus(), await test.bus()];
      const renewed = await one.lock('renewed', { leaseMs: 600 });
      const extended = await one.lock('extended', { leaseMs: 800, renew: false });
      const busy = async (): Promise<boolean> => {
        const tries = ['renewed', 'extended'].map((name) => two.lock(name, AT_ONCE).catch(() => undefined));
        await extended.extend();
        return (await Promise.all(tries)).every((lock) => lock === undefined);
      };
      await minLifetime(test, busy, performance.now() + 1_600);
      test.check.equal([renewed.lost, extended.lost], [false, false], 'lost after several times its ttl');
      const tokens = [(await two.lockHolder('renewed'))?.token, (await two.lockHolder('extended'))?.token];
      test.check.equal(tokens, [renewed.token, extended.token], 'tokens after renewals');
      await waitUntil(test, performance.now() + test.beyond(810));
      await test.check.rejects(extended.extend(), 'LEASE_LOST', 'extending a lost lock');
      const next = await two.lock('extended', { waitMs: 5_000 });
      await test.check.rejects(extended.extend(), 'LEASE_LOST', 'extending the lock of another holder');
      test.check.ok(next.token > extended.token && !next.lost, 'the new holder is not affected');
    },
  },
  {
    id: 'W12',
    title: 'a key keeps its revision of creation until it is deleted or expires; created again it has a higher one',
    rules: ['RE1'],
    async run(test) {
      const [one, two] = [(await test.transport()).kv, (await test.open()).kv];
      const value = Uint8Array.of(1);
      const created: number[] = [];
      const create = async (): Promise<void> => {
        const { revision, createRevision } = storedOf(test, await one.put('key', value, { ifRevision: 0 }));
        test.check.equal(createRevision, revision, 'revision of creation of a new key');
        created.push(revision);
        for (const ttlMs of [undefined, 60_000]) {
          const again = storedOf(test, await two.put('key', value, ttlMs === undefined ? {} : { ttlMs }));
          test.check.ok(again.revision > revision, 'a put has a new revision');
          test.check.equal(again.createRevision, revision, 'revision of creation after a put');
        }
        await one.touch([{ key: 'key', ttlMs: 50_000, createRevision: revision }]);
        test.check.equal((await two.get('key'))?.createRevision, revision, 'revision of creation after a touch');
      };
      await create();
      await two.delete('key');
      await create();
      await two.put('key', value, { ttlMs: 60 });
      await test.until('it is expired', async () => (await one.get('key')) === undefined);
      await create();
      test.check.equal(
        created,
        created.toSorted((a, b) => a - b),
        'revisions of creation rise',
      );
      test.check.equal(new Set(created).size, 3, 'different revisions of creation');
    },
  },
  {
    id: 'W13',
    title: 'a holder whose entry is gone or belongs to another learns it from its next renewal',
    rules: ['RE1', 'RE2'],
    async run(test, { kv }) {
      const [one, two] = [await test.bus(), await test.bus()];
      const leaseMs = 900;
      for (const isTaken of [false, true]) {
        const lock = await one.lock('door', { leaseMs });
        const fired = untilFired(lock.signal);
        await kv.delete('$lock/door');
        const next = isTaken ? await two.lock('door', { leaseMs: 60_000 }) : undefined;
        await within(leaseMs + 5_000, 'the holder did not learn it', fired);
        test.check.equal([lock.lost, lock.signal.reason?.code], [true, 'LEASE_LOST'], 'the late holder');
        await lock.release();
        test.check.equal((await two.lockHolder('door'))?.token, next?.token, 'the holder after its release');
        test.check.equal(next?.lost ?? false, false, 'whether the new holder lost it');
        await next?.release();
      }
    },
  },
  {
    id: 'W14',
    title: 'a semaphore has as many holders as permits, and a released slot goes to a caller that waits',
    rules: ['RE1', 'RE2'],
    async run(test) {
      const buses = [await test.bus(), await test.bus(), await test.bus()];
      let [inside, most, entered] = [0, 0, 0];
      const gate = Promise.withResolvers<void>();
      const work = Array.from({ length: 9 }, (_, index) =>
        buses[index % 3]?.semaphore(
          'slots',
          async ({ lost }) => {
            inside += 1;
            entered += 1;
            most = Math.max(most, inside);
            await gate.promise;
            inside -= 1;
            return lost;
          },
          { permits: 3, waitMs: 15_000 },
        ),
      );
      await test.until('three are inside', () => entered === 3);
      await test.check.rejects(
        (buses[0] as Bus).semaphore('slots', { permits: 3, waitMs: 0 }),
        'CONFLICT',
        'a fourth holder',
      );
      await waitUntil(test, performance.now() + 200);
      test.check.equal(entered, 3, 'callers that entered');
      gate.resolve();
      test.check.equal(await Promise.all(work), Array(9).fill(false), 'whether a slot was lost');
      test.check.equal([most, entered], [3, 9], 'most holders at a time, and all callers');
      const { kv } = await test.transport();
      await test.until('no slot is left', async () => (await kv.list('$sem/')).length === 0);
    },
  },
  {
    id: 'W15',
    title: 'each put replaces the time to live of a key: with one the key ends then, without one it stays',
    rules: ['RE1'],
    async run(test) {
      const [one, two] = [(await test.transport()).kv, (await test.open()).kv];
      const value = Uint8Array.of(1);
      const ended: string[] = [];
      await two.watch('key/', (changes) => {
        for (const change of changes) if ('key' in change) ended.push(change.key);
      });
      const began = performance.now();
      for (const key of ['key/stays', 'key/longer', 'key/touched', 'key/ends'])
        await one.put(key, value, { ttlMs: 1_500 });
      await one.put('key/stays', value);
      await one.put('key/longer', value, { ttlMs: 60_000 });
      await one.touch([{ key: 'key/touched', ttlMs: 60_000 }]);
      test.check.ok(performance.now() - began < 1_500, 'the puts were in time');
      await test.until('the last one ends', () => ended.includes('key/ends'), test.beyond(1_500) + 5_000);
      await waitUntil(test, performance.now() + test.beyond(300));
      test.check.equal(ended, ['key/ends'], 'keys that ended');
      const left = (await two.list('key/')).map(({ key, ttlLeftMs }) => [key, ttlLeftMs !== undefined]);
      test.check.equal(
        left,
        [
          ['key/longer', true],
          ['key/stays', false],
          ['key/touched', true],
        ],
        'keys that are left',
      );
    },
  },
  {
    id: 'W16',
    title: 'keys are listed in pages by their prefix, in order, each once, and without those that ended',
    rules: ['RE1', 'RA1'],
    async run(test) {
      const [one, two] = [(await test.transport()).kv, (await test.open()).kv];
      const keys = Array.from({ length: 25 }, (_, index) => `page/${String(index).padStart(2, '0')}`);
      for (const key of [...keys, 'pag', 'page', 'page0', 'other']) await one.put(key, Buffer.from(key));
      await one.put('page/ended', Buffer.from('x'), { ttlMs: 60 });
      await one.delete('page/03');
      await test.until('it has ended', async () => (await two.get('page/ended')) === undefined);
      const pages: string[][] = [];
      for (let after: string | undefined; ; ) {
        const page = await two.list('page/', { limit: 10, ...(after !== undefined && { after }) });
        test.check.every(page, ({ key, value }) => test.text({ body: value }) === key, 'the value of each key');
        if (page.length === 0) break;
        pages.push(page.map(({ key }) => key));
        after = page.at(-1)?.key;
      }
      test.check.mapped(pages, (page) => page.length, [10, 10, 4], 'sizes of the pages');
      test.check.equal(
        pages.flat(),
        keys.filter((key) => key !== 'page/03'),
        'all pages',
      );
    },
  },
  {
    id: 'W17',
    title: 'a lock whose answer comes after its lease is given back, and no work begins under it',
    rules: ['RE1'],
    async run(test) {
      const slow = openBus(withLateAnswers(await test.open(), { putAnswerMs: 900 }));
      test.defer(() => slow.close({ drainMs: 0 }));
      const quick = await test.bus();
      let begun = 0;
      const work = (): void => {
        begun += 1;
      };
      const late = { leaseMs: 300, waitMs: 0 };
      await test.check.rejects(slow.lock('door', work, late), 'TIMEOUT', 'a late lock');
      await test.check.rejects(slow.lock('door', late), 'TIMEOUT', 'a late lock without work');
      await test.check.rejects(slow.semaphore('gate', work, { ...late, permits: 2 }), 'TIMEOUT', 'a late slot');
      const waiting = { leaseMs: 300, waitMs: 1_200 };
      await test.check.rejects(slow.lock('door', work, waiting), 'TIMEOUT', 'a lock that is late again and again');
      test.check.equal(begun, 0, 'work that began');
      await quick.lock('door', () => undefined, AT_ONCE);
      await slow.lock('door', work, { leaseMs: 30_000, waitMs: 0 });
      test.check.equal(begun, 1, 'work under a lease that is long enough');
    },
  },
  {
    id: 'W5',
    title: 'a lock is not re-entrant: its holder waits like any other caller',
    rules: ['RE1'],
    async run(test) {
      const bus = await test.bus();
      const order: string[] = [];
      await bus.lock(
        'door',
        async () => {
          const again = { ...AT_ONCE, owner: '@me' };
          await test.check.rejects(bus.lock('door', again), 'CONFLICT', 'a second lock by the holder');
          await test.check.rejects(bus.lock('door', { waitMs: 50 }), 'TIMEOUT', 'the holder waits for itself');
          await bus.lock('other', () => order.push('another lock inside'), AT_ONCE);
        },
        { owner: '@me' },
      );
      await bus.lock('door', () => order.push('the same lock after'), AT_ONCE);
      test.check.equal(order, ['another lock inside', 'the same lock after'], 'results');
    },
  },
  {
    id: 'W8',
    title: 'fifty callers that read, wait and write under a lock lose no write, and never overlap',
    rules: ['RE1'],
    timeoutMs: 40_000,
    async run(test, { kv }) {
      const buses = await Promise.all(Array.from({ length: 5 }, () => test.bus()));
      let [inside, most] = [0, 0];
      const add = async ({ lost }: Lock): Promise<void> => {
        inside += 1;
        most = Math.max(most, inside);
        const value = Number(test.text({ body: (await kv.get('counter'))?.value ?? Buffer.from('0') }));
        if (test.random() < 0.3) await new Promise(setImmediate);
        await kv.put('counter', Buffer.from(`${value + 1}`));
        inside -= 1;
        if (lost) test.check.fail('a lock was lost');
      };
      const work = Array.from({ length: 50 }, (_, index) => {
        const bus = buses[index % 5] as Bus;
        return bus.lock('counter', add, { waitMs: 30_000 });
      });
      await Promise.all(work);
      test.check.equal(test.text({ body: (await kv.get('counter'))?.value ?? Buffer.from('') }), '50', 'the counter');
      test.check.equal(most, 1, 'holders at a time');
      test.check.equal(await kv.list('$lock/'), [], 'locks left');
    },
  },
]);
