/** Steps for consuming: receive one, settle several, drain a queue, share it among members, wait for a time. */

import type { Delivery, Settlement, Transport } from '@busbar/api/transport';
import { CheckFailed } from '../context/check.ts';
import type { TestContext } from '../context/test-context.ts';

/** A settlement without its receipt. */
export type SettlementFields = WithoutReceipt<Settlement>;

type WithoutReceipt<One> = One extends Settlement ? Omit<One, 'receipt'> : never;

/** Maximum difference between two clocks with a resolution of one millisecond. */
export const ROUNDING_MS = 2;

/** Time limit of {@link shareWork}. */
const SHARE_MS = 10_000;

/** The bodies as text. */
export function texts(test: TestContext, messages: readonly { readonly body: Uint8Array }[]): string[] {
  return messages.map((message) => test.text(message));
}

/** The ids of messages or results. */
export function idsOf(things: readonly { readonly id: string }[]): string[] {
  return fieldsOf(things, 'id');
}

/** One field of each thing. */
export function fieldsOf<Thing, Field extends keyof Thing>(things: readonly Thing[], field: Field): Thing[Field][] {
  return things.map((thing) => thing[field]);
}

/** Receives one message within `withinMs`. */
export async function receiveOne(
  test: TestContext,
  transport: Transport,
  queue: string,
  withinMs?: number,
): Promise<Delivery> {
  const [delivery] = await test.receive(transport, queue, 1, withinMs);
  if (delivery === undefined) throw new CheckFailed(`no delivery from ${queue}`);
  return delivery;
}

/** Settles all `deliveries` the same way and returns their statuses. */
export async function settleStatuses(
  transport: Transport,
  deliveries: readonly Pick<Delivery, 'receipt'>[],
  settlement: SettlementFields,
): Promise<string[]> {
  const settlements = deliveries.map(({ receipt }) => ({ ...settlement, receipt }) as Settlement);
  const results = await transport.queues.settle(settlements);
  return results.map(({ status }) => status);
}

/** Settles all `deliveries` the same way and asserts that each is done. */
export async function settle(
  test: TestContext,
  transport: Transport,
  deliveries: readonly Pick<Delivery, 'receipt'>[],
  settlement: SettlementFields,
): Promise<void> {
  const statuses = await settleStatuses(transport, deliveries, settlement);
  test.check.equal(
    statuses,
    deliveries.map(() => 'done'),
    `${settlement.action} of ${deliveries.length} deliveries`,
  );
}

/** Receives and acks in batches of up to `max` until `count` are acked. Returns the deliveries in order. */
export async function consume(
  test: TestContext,
  transport: Transport,
  queue: string,
  count: number,
  max = 1_000,
): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  while (deliveries.length < count) {
    const wanted = Math.min(max, count - deliveries.length);
    const got = await transport.queues.receive(queue, { max: wanted, waitMs: 5_000 });
    test.recorder.add(got);
    test.check.ok(got.length > 0, `received ${deliveries.length} of ${count} from ${queue}, then nothing for 5 s`);
    test.check.ok(got.length <= wanted, `a receive with max ${wanted} from ${queue} returned ${got.length}`);
    await test.ack(transport, got);
    deliveries.push(...got);
  }
  return deliveries;
}

/** Receives and acks all ready messages. Returns them in order. */
export async function drain(test: TestContext, transport: Transport, queue: string): Promise<Delivery[]> {
  const all: Delivery[] = [];
  for (;;) {
    const got = await transport.queues.receive(queue, { max: 1_000 });
    if (got.length === 0) return all;
    test.recorder.add(got);
    await test.ack(transport, got);
    all.push(...got);
  }
}

/** Drains until nothing is ready, delayed or leased, including leases of dead consumers. */
export async function drainFully(
  test: TestContext,
  transport: Transport,
  queue: string,
  withinMs = 10_000,
): Promise<Delivery[]> {
  const all: Delivery[] = [];
  await test.until(
    `${queue} is empty`,
    async () => {
      all.push(...(await drain(test, transport, queue)));
      const [info] = await transport.admin.queues({ names: [queue] });
      return info === undefined || info.ready + info.delayed + info.leased === 0;
    },
    withinMs,
  );
  return all;
}

/**
 * Receives and acks with all `members`, at most `max` at once, until they acked `count` together. Returns the count of each.
 * Fails after 10 s.
 */
export async function shareWork(
  test: TestContext,
  members: readonly Transport[],
  queue: string,
  count: number,
  max = 5,
): Promise<number[]> {
  const deadline = performance.now() + SHARE_MS;
  let left = count;
  const work = async (member: Transport, index: number): Promise<number> => {
    let own = 0;
    while (left > 0 && performance.now() < deadline) {
      const got = await member.queues.receive(queue, { max, waitMs: 50 });
      test.recorder.add(got, `member-${index}`);
      if (got.length > 0) await test.ack(member, got);
      own += got.length;
      left -= got.length;
    }
    return own;
  };
  const counts = await Promise.all(members.map(work));
  const [received, all] = [count - left, count].map((number) => number.toLocaleString('en'));
  test.check.ok(left <= 0, `received ${received} of ${all} within ${SHARE_MS / 1_000} s`);
  return counts;
}

/** Asserts that each of `ids` was recorded once, and nothing else. */
export function assertDeliveredOnce(test: TestContext, ids: readonly string[]): void {
  test.check.equal(test.recorder.lost(ids), [], 'lost');
  test.check.equal(test.recorder.unexpected(ids), [], 'delivered, but never sent');
  test.check.equal(test.recorder.duplicates(), [], 'delivered more than once');
}

/** Asserts that the numbers rise strictly. */
export function assertRising(test: TestContext, numbers: readonly number[], what: string): void {
  const rising = [...new Set(numbers)].toSorted((one, other) => one - other);
  test.check.equal([...numbers], rising, what);
}

/** Resolves when `performance.now()` reaches `at`. */
export function waitUntil(test: TestContext, at: number): Promise<boolean> {
  return test.until('the clock to reach the time', () => performance.now() >= at, Number.POSITIVE_INFINITY);
}

/** Asserts that `holds` is true at each poll until `performance.now()` reaches `at`. */
export async function minLifetime(test: TestContext, holds: () => Promise<boolean>, at: number): Promise<void> {
  const look = async (): Promise<boolean> => {
    const held = await holds();
    if (performance.now() >= at) return true;
    test.check.ok(held, 'it exists for its minimum lifetime');
    return false;
  };
  await test.until('the clock to reach the time', look, Number.POSITIVE_INFINITY);
}
