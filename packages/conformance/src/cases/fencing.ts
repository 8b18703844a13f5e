/** Locks: fencing tokens against late holders, waiters, and aborted waits. */

import type { Lock } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { freezeProcess } from '../faults/freeze-process.ts';
import { moduleOf } from '../processes/remote-client.ts';
import { assertRising, waitUntil } from '../steps/consuming.ts';

const AT_ONCE = { waitMs: 0 } as const;
const module = moduleOf('hold-lock');

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Locks/fencing' }, [
  {
    id: 'W6',
    title: 'the token rises with each holder, across releases, expiries, deaths and restarts',
    rules: ['RE1'],
    smoke: true,
    async run(test) {
      const tokens: number[] = [];
      const hold = async (end: 'release' | 'expire' | 'die'): Promise<void> => {
        const bus = await test.bus();
        const lock = await bus.lock('door', { leaseMs: 80, renew: end !== 'expire', waitMs: 10_000 });
        tokens.push(lock.token);
        if (end === 'release') await lock.release();
        if (end === 'die') await bus.transport.close();
        if (end === 'expire') await test.until('it ends', () => lock.lost);
      };
      for (let round = 0; round < 3; round += 1)
        for (const end of ['release', 'expire', 'die'] as const) await hold(end);
      if (test.harnessFeatures.has('reopen') && test.capabilities.durability !== 'none') await test.reopen();
      await hold('release');
      const { kv } = await test.transport();
      await kv.put('$lock/door', Uint8Array.of(1));
      await kv.delete('$lock/door');
      await hold('release');
      test.check.equal(tokens.length, 11, 'holders');
      assertRising(test, tokens, 'tokens, from holder to holder');
      for (const token of tokens) test.check.ok(Number.isSafeInteger(token) && token > 0, `a whole number: ${token}`);
    },
  },
  {
    id: 'W7',
    title: 'a store that refuses lower tokens is safe from a holder that slept past its expiry',
    rules: ['RE1'],
    smoke: true,
    async run(test, store) {
      const [slow, quick] = [await test.bus(), await test.bus()];
      const sleeper = await slow.lock('file', { leaseMs: 80, renew: false });
      test.check.ok(await writeFenced(store, sleeper, 'before its sleep'), 'a holder writes');
      const next = await quick.lock('file', { waitMs: 10_000 });
      test.check.ok(await writeFenced(store, next, 'by the next'), 'the next holder writes');
      test.check.equal(await writeFenced(store, sleeper, 'after its sleep'), false, 'the late holder writes');
      test.check.equal(await readFenced(store), `${next.token} by the next`, 'stored messages');
      const races = Array.from({ length: 10 }, (_, index) =>
        writeFenced(store, index % 2 ? sleeper : next, `race ${index}`),
      );
      const outcomes = await Promise.all(races);
      test.check.every(outcomes, (isWritten, index) => !isWritten || index % 2 === 0, 'writes of the late holder');
      test.check.ok((await readFenced(store)).startsWith(`${next.token} `), 'the stored token');
      await next.release();
      const third = await slow.lock('file', AT_ONCE);
      test.check.ok(await writeFenced(store, third, 'by the third'), 'the third holder writes');
      test.check.equal(await writeFenced(store, next, 'late'), false, 'the released holder writes');
    },
  },
  {
    id: 'W9',
    title: 'a holder whose process is frozen past its expiry loses the lock, learns of it, and has no effect',
    rules: ['RE1', 'RE2'],
    harnessFeatures: ['processes'],
    async run(test) {
      const [process, bus, store] = [await test.process(), await test.bus(), await test.transport()];
      const token = await process.run<number>(module, 'takeLock', { name: 'file', leaseMs: 500 });
      await test.check.rejects(bus.lock('file', { waitMs: 900 }), 'TIMEOUT', 'the lock while its holder lives');
      await freezeProcess(process, store);
      const paused = performance.now();
      const lock = await bus.lock('file', { waitMs: 10_000 });
      test.check.between(performance.now() - paused, 0, test.beyond(500) + 5_000, 'it was free after');
      test.check.ok(lock.token > token, 'the token of the new holder is higher');
      test.check.ok(await writeFenced(store, lock, 'by the new holder'), 'the new holder writes');
      process.resume();
      await test.until('the other process learns of it', async () => (await process.run(module, 'wasLost')) === true);
      test.check.equal(await process.run(module, 'extendLock'), 'LEASE_LOST', 'extending it in the other process');
      await process.run(module, 'releaseLock');
      test.check.equal((await bus.lockHolder('file'))?.token, lock.token, 'holder');
      const late = [lock.lost, await writeFenced(store, { token }, 'late')];
      test.check.equal(late, [false, false], 'writes by a late holder');
      await process.close();
    },
  },
  {
    id: 'W10',
    title: 'a waiter is woken at once; the order of waiters is not guaranteed, but all acquire the lock in the end',
    rules: ['RE2'],
    async run(test) {
      const [one, two] = [await test.bus(), await test.bus()];
      const waits: number[] = [];
      for (let round = 0; round < 15; round += 1) {
        const lock = await one.lock('door', { waitMs: 5_000 });
        const next = two.lock('door', { waitMs: 20_000 }).then((got) => ({ got, at: performance.now() }));
        await waitUntil(test, performance.now() + 20);
        const released = performance.now();
        await lock.release();
        const { got, at } = await next;
        waits.push(at - released);
        await got.release();
      }
      const median = waits.toSorted((a, b) => a - b)[7] ?? Number.NaN;
      test.check.between(median, 0, test.beyond(500), `a waiter was woken after (${waits.map(Math.round).join(', ')})`);
      const buses = [one, two, await test.bus()];
      const served: number[] = [];
      const holder = await one.lock('door');
      const many = Array.from({ length: 24 }, (_, index) =>
        (buses[index % 3] ?? one).lock('door', () => served.push(index), { waitMs: 15_000 }),
      );
      await holder.release();
      await Promise.all(many);
      test.check.equal(new Set(served).size, 24, 'waiters served');
    },
  },
  {
    id: 'W11',
    title: 'a waiter that stops leaves nothing behind: no lock without a holder, no place in a queue',
    rules: ['RE1', 'RA3'],
    async run(test) {
      const [one, two] = [await test.bus(), await test.bus()];
      const { kv } = await test.transport();
      for (let round = 0; round < 10; round += 1) {
        const lock = await one.lock('door', { waitMs: 5_000 });
        const aborts = Array.from({ length: 6 }, () => new AbortController());
        const waiters = aborts.map(({ signal }, index) =>
          (index % 2 ? one : two).lock('door', { signal, waitMs: 20_000 }).then(letGo, ({ code }) => code as string),
        );
        // Some waits are aborted before the release, some at the moment of the release.
        for (const abort of aborts.slice(0, 4)) abort.abort();
        const released = lock.release();
        for (const abort of aborts.slice(4)) abort.abort();
        const codes = await Promise.all(waiters);
        await released;
        test.check.every(codes, (code) => code === 'ABORTED' || code === 'taken', `waiters: ${codes.join(', ')}`);
        test.check.equal(codes.slice(0, 4), Array(4).fill('ABORTED'), 'the readers that stopped before');
        await (await two.lock('door', { waitMs: 5_000, leaseMs: 60_000 })).release();
      }
      const already = two.lock('door', { signal: AbortSignal.abort() });
      await test.check.rejects(already, 'ABORTED', 'a lock with an aborted signal');
      const clean = async (): Promise<boolean> => (await kv.list('$lock/')).length === 0;
      await test.until('no lock is left', clean);
    },
  },
]);

/** Writes unless a higher token has written, as a fenced store does. */
async function writeFenced(store: Transport, { token }: Pick<Lock, 'token'>, text: string): Promise<boolean> {
  for (;;) {
    const entry = await store.kv.get('guarded');
    const highest = Number(
      Buffer.from(entry?.value ?? [])
        .toString()
        .split(' ')[0] ?? 0,
    );
    if (token < highest) return false;
    const value = Buffer.from(`${token} ${text}`);
    const result = await store.kv.put('guarded', value, { ifRevision: entry?.revision ?? 0 });
    if (result.status === 'stored') return true;
  }
}

async function readFenced(store: Transport): Promise<string> {
  return Buffer.from((await store.kv.get('guarded'))?.value ?? []).toString();
}

async function letGo(lock: Lock): Promise<string> {
  await lock.release();
  return 'taken';
}
