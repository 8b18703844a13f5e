// Small pure parts of the bus: ids, backoff, percentiles, nearest names, order of replies.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { propertySeed } from '../../../../test/property-seed.ts';
import { backoffMs, completeRetry } from '../../src/bus/consuming/backoff.ts';
import { Histogram } from '../../src/bus/histogram.ts';
import { deriveId, fingerprint } from '../../src/bus/messages/deterministic-id.ts';
import { PendingRequest } from '../../src/bus/rpc/pending-request.ts';
import { TaskFollower } from '../../src/bus/tasks/task-follower.ts';
import type { TaskEvent } from '../../src/bus/tasks/task-tracker.ts';
import { nearestName } from '../../src/contract/nearest-name.ts';

describe('derived ids', () => {
  it('differ by body, also in one byte, and not by where the bytes lie', () => {
    const seen = new Set<string>();
    for (let length = 0; length < 70; length += 1) {
      for (let bit = 0; bit < length * 8; bit += 1) {
        const bytes = new Uint8Array(length);
        bytes[bit >> 3] = 1 << (bit & 7);
        seen.add(fingerprint(bytes));
      }
    }
    expect(seen.size).toBe((69 * 70 * 8) / 2);
    const shared = new Uint8Array(32).map((_, index) => index);
    expect(fingerprint(shared.subarray(3, 20))).toBe(fingerprint(shared.slice(3, 20)));
  });

  it('are name-based UUIDs of version 5', () => {
    const namespace = Buffer.from('4b9f0b8e3c1f5d569a3462757362a172', 'hex');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (name) => {
        const hash = createHash('sha1').update(namespace).update(name.toWellFormed()).digest().subarray(0, 16);
        hash[6] = (hash[6]! & 0x0f) | 0x50;
        hash[8] = (hash[8]! & 0x3f) | 0x80;
        const hex = hash.toString('hex');
        const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
        expect(deriveId(name)).toBe(uuid);
      }),
      propertySeed,
    );
  });
});

describe('backoff', () => {
  it('grows to its maximum; at most half of it is random (A12)', () => {
    const policy = completeRetry({ baseMs: 100, factor: 2, maxMs: 1000 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, chance) => {
        const full = Math.min(1000, 100 * 2 ** (attempt - 1));
        const wait = backoffMs(policy, attempt, () => chance);
        expect(wait).toBeGreaterThanOrEqual(Math.floor(full / 2));
        expect(wait).toBeLessThanOrEqual(full);
        expect(backoffMs({ ...policy, jitter: 'none' }, attempt)).toBe(full);
      }),
      propertySeed,
    );
  });

  it('is a legal delay at every attempt of every policy, also where the power is infinite (A12)', () => {
    const time = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e11, noNaN: true }));
    fc.assert(
      fc.property(
        time,
        time,
        fc.double({ min: 1, max: 100, noNaN: true }),
        fc.constantFrom('full', 'none'),
        (baseMs, maxMs, factor, jitter) => {
          const policy = completeRetry({ baseMs, maxMs, factor, jitter });
          for (const attempt of [1, 2, 160, 400, 1000, 2000]) {
            const wait = backoffMs(policy, attempt);
            expect(wait).toBeGreaterThanOrEqual(0);
            expect(wait).toBeLessThanOrEqual(Math.round(maxMs));
          }
        },
      ),
      propertySeed,
    );
    expect(backoffMs(completeRetry({ baseMs: 0, factor: 100 }), 1000)).toBe(0);
  });
});

describe('a histogram', () => {
  it('is accurate to a fifth', () => {
    const histogram = new Histogram();
    expect(histogram.timing).toEqual({ count: 0, p50: 0, p99: 0 });
    for (let ms = 1; ms <= 1000; ms += 1) histogram.add(ms);
    const { count, p50, p99 } = histogram.timing;
    expect(count).toBe(1000);
    expect(p50).toBeGreaterThanOrEqual(500);
    expect(p50).toBeLessThan(600);
    expect(p99).toBeGreaterThanOrEqual(990);
    expect(p99).toBeLessThan(1190);
  });
});

describe('the nearest name', () => {
  it('differs in at most a third of its letters', () => {
    const names = ['@service.auth', '@service.audit', '@worker.batch'];
    expect(nearestName('@service.auht', names)).toBe('@service.auth');
    expect(nearestName('@service.audits', names)).toBe('@service.audit');
    expect(nearestName('@nobody', names)).toBeUndefined();
    expect(nearestName('x', [])).toBeUndefined();
  });
});

describe('replies', () => {
  it('are read in order and once, whatever the order of arrival (R11)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 4, 0, 1, 2, 3, 4], { minLength: 10 }), async (order) => {
        const pending = new PendingRequest('$call.x', 1000, undefined);
        for (const seq of order) pending.take({ headers: { 'bus-seq': String(seq) } } as never);
        const read: unknown[] = [];
        for (let n = 0; n < 5; n += 1) read.push((await pending.next()).headers['bus-seq']);
        pending.end();
        expect(read).toEqual(['0', '1', '2', '3', '4']);
      }),
      propertySeed,
    );
  });
});

describe('a task that is followed', () => {
  function follow() {
    let emit: (event: TaskEvent) => void = () => undefined;
    const tracker = {
      follow: (_task: unknown, onEvent: typeof emit) => {
        emit = onEvent;
        return () => undefined;
      },
    };
    const seen: unknown[] = [];
    const follower = new TaskFollower(tracker as never, { id: 'q#1', since: undefined }, (body) => seen.push(body));
    return { seen, follower, emit: (event: TaskEvent) => emit(event) };
  }

  it('has progress that a watch and a read both find once', () => {
    const { seen, follower, emit } = follow();
    const body = (text: string) => ({ contentType: 'text/plain', body: new TextEncoder().encode(text) });
    const running = (text: string) => ({ state: 'running', attempt: 1, sentAt: 0, body: body(text) }) as const;
    emit({ kind: 'record', record: running('half'), revision: 5 });
    emit({ kind: 'record', record: running('half'), revision: 5 });
    emit({ kind: 'record', record: running('whole'), revision: 6 });
    expect(seen).toEqual([body('half'), body('whole')]);
    follower.leave();
  });

  it('is gone when it is absent for a second, and on a store that answers slowly for five answers more', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const [quick, slow] = [follow(), follow()];
      const ended: string[] = [];
      void quick.follower.ended.then(({ state }) => ended.push(`quick ${state}`));
      void slow.follower.ended.then(({ state }) => ended.push(`slow ${state}`));
      const look = async (ms: number): Promise<void> => {
        vi.advanceTimersByTime(ms);
        quick.emit({ kind: 'absent', lookMs: 5 });
        slow.emit({ kind: 'absent', lookMs: 800 });
        await Promise.resolve();
      };
      await look(0);
      await look(800);
      expect(ended).toEqual([]);
      await look(200);
      await look(3_700);
      expect(ended).toEqual(['quick unknown']);
      await look(200);
      expect(ended).toEqual(['quick unknown', 'slow unknown']);
    } finally {
      vi.useRealTimers();
    }
  });
});
