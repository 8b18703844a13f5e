/** Receives that wait, over a driver that only claims. */

import { expect, test, vi } from 'vitest';
import type { ClaimRequest, ClaimResult, ReceiverGroup } from '../../src/contract/driver.ts';
import type { Delivery } from '../../src/contract/message.ts';
import { DeadlineQueue } from '../../src/driver-kit/deadline-queue.ts';
import { WaitingReceives } from '../../src/driver-kit/waiting-receives.ts';
import { type PendingReceive, PendingReceives } from '../../src/open/pending-receives.ts';

interface Claim {
  readonly queue: string;
  readonly request: ClaimRequest;
  readonly signal: AbortSignal;
  resolve(result: Partial<ClaimResult>): Promise<void>;
  reject(error: Error): void;
}

/** A driver whose claims the test answers. */
class Stub {
  readonly waiting = new WaitingReceives();
  readonly claims: Claim[] = [];
  readonly released: string[] = [];
  readonly pending: PendingReceives;

  constructor() {
    const claiming = {
      waiting: this.waiting,
      claim: (queue: string, request: ClaimRequest, { signal }: { readonly signal: AbortSignal }) => {
        const { promise, resolve, reject } = Promise.withResolvers<ClaimResult>();
        this.claims.push({
          ...{ queue, request, signal, reject },
          resolve: async (result) => {
            request.receivers();
            resolve({ deliveries: [], hasMore: false, ...result });
            for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
          },
        });
        return promise;
      },
      release: (deliveries: readonly Delivery[]) => void this.released.push(...deliveries.map(({ id }) => id)),
    };
    this.pending = new PendingReceives(claiming, new DeadlineQueue());
  }

  receive(consumer: string | undefined, max = 1, waitMs = 60_000): { receive: PendingReceive; got: Promise<string[]> } {
    const receive = this.pending.prepare('q', { max, waitMs, consumer });
    return { receive, got: this.pending.start(receive).then((all) => all.map(({ id }) => id)) };
  }

  /** The only claim that is not answered yet. */
  next(): Claim {
    return this.claims.pop() ?? expect.unreachable('nothing is claimed');
  }
}

function deliveries(...ids: string[]): Delivery[] {
  return ids.map((id) => ({ id }) as Delivery);
}

function plain(groups: readonly ReceiverGroup[]): unknown[] {
  return groups.map(({ consumer, max, waits }) => [consumer, max, waits]);
}

test('receives are grouped by consumer in order of arrival, those that arrive late included', () => {
  const stub = new Stub();
  stub.receive('a', 2);
  const { request } = stub.next();
  stub.receive('a', 3, 0);
  stub.receive('b', 1, 0);
  stub.receive('a');
  expect(plain(request.receivers())).toEqual([
    ['a', 5, true],
    ['b', 1, false],
    ['a', 1, true],
  ]);
  stub.receive(undefined, 1000);
  expect(plain(request.receivers()).at(-1)).toEqual([undefined, 993, true]);
  expect(stub.claims).toHaveLength(0);
});

test('each receive gets its share; without more, the rest have their answer, and those that arrived later are claimed for', async () => {
  const stub = new Stub();
  const [first, second, third] = [stub.receive('a', 2), stub.receive('a', 2), stub.receive('b', 1, 0)];
  const claim = stub.next();
  const answered = claim.resolve({ deliveries: [deliveries('1', '2', '3')] });
  const late = stub.receive('a');
  await answered;
  expect(await Promise.all([first.got, second.got, third.got])).toEqual([['1', '2'], ['3'], []]);
  await stub.next().resolve({ deliveries: [deliveries('4')] });
  expect(await late.got).toEqual(['4']);
  expect([stub.claims.length, stub.waiting.queues.size]).toEqual([0, 0]);
});

test('groups that were not served are claimed for again while there is more', async () => {
  const stub = new Stub();
  const [first, second] = [stub.receive('a'), stub.receive('b', 1, 0)];
  await stub.next().resolve({ deliveries: [deliveries('1')], hasMore: true });
  expect(await first.got).toEqual(['1']);
  await stub.next().resolve({ deliveries: [deliveries('2')], hasMore: true });
  expect(await second.got).toEqual(['2']);
  expect(stub.claims).toHaveLength(0);
});

test('a receive that waits is claimed for when its queue is woken, also during a claim', async () => {
  const stub = new Stub();
  const changes: boolean[] = [];
  stub.waiting.onChange((isWaiting) => changes.push(isWaiting));
  const { got } = stub.receive('a');
  expect(stub.waiting.wake('q')).toBe(false);
  await stub.next().resolve({});
  await stub.next().resolve({});
  expect([stub.claims.length, changes, stub.waiting.wake('other')]).toEqual([0, [true], false]);
  expect(stub.waiting.wake('q')).toBe(true);
  await stub.next().resolve({ deliveries: [deliveries('1')] });
  expect(await got).toEqual(['1']);
  expect(changes).toEqual([true, false]);
});

test('waking all reaches receives that have no answer yet', async () => {
  const stub = new Stub();
  const { got } = stub.receive('a');
  const claim = stub.next();
  stub.waiting.wakeAll();
  await claim.resolve({});
  await stub.next().resolve({ deliveries: [deliveries('1')] });
  expect(await got).toEqual(['1']);
});

test('messages of a receive that ended go to another receive or are released; no wake-up is lost', async () => {
  const stub = new Stub();
  const [leaving, staying] = [stub.receive('a'), stub.receive('a')];
  const claim = stub.next();
  await claim.resolve({});
  stub.waiting.wake('q');
  const second = stub.next();
  const answered = second.resolve({ deliveries: [deliveries('1', '2')] });
  stub.pending.end(leaving.receive);
  await answered;
  expect([await leaving.got, await staying.got, stub.released]).toEqual([[], ['1'], ['2']]);
  const last = stub.receive('a');
  const third = stub.next();
  stub.waiting.wake('q');
  stub.pending.end(last.receive);
  expect(third.signal.aborted).toBe(true);
  await third.resolve({});
  const fourth = stub.next();
  expect(fourth.request.receivers()).toEqual([]);
  await fourth.resolve({});
  expect(stub.claims).toHaveLength(0);
});

test('a rejected claim rejects its receives, and no later one', async () => {
  const stub = new Stub();
  const { got } = stub.receive('a');
  const claim = stub.next();
  const late = stub.receive('b', 1, 0);
  claim.reject(new Error('broken'));
  await expect(got).rejects.toThrow('broken');
  await stub.next().resolve({});
  expect(await late.got).toEqual([]);
});

test('10,000 waiting receives share one timer; each ends in its time, and a recheck claims again', async () => {
  vi.useFakeTimers();
  const stub = new Stub();
  const all = Array.from({ length: 10_000 }, (_, index) => {
    const receive = stub.pending.prepare(`q${index}`, { max: 1, waitMs: 1000 + index, consumer: undefined });
    return stub.pending.start(receive);
  });
  await Promise.all(
    stub.claims.splice(0).map((claim) => claim.resolve({ recheckMs: claim.queue === 'q9999' ? 5000 : undefined })),
  );
  expect([vi.getTimerCount(), stub.waiting.queues.size]).toEqual([1, 10_000]);
  vi.advanceTimersByTime(5000);
  expect(stub.claims.map(({ queue }) => queue)).toEqual(['q9999']);
  await stub.next().resolve({});
  vi.advanceTimersByTime(6000);
  expect((await Promise.all(all)).every((got) => got.length === 0)).toBe(true);
  expect(stub.waiting.queues.size).toBe(0);
  vi.useRealTimers();
});
