/** Steps for consuming: receive one, settle several, share a queue among members. */

import type { Delivery, Settlement, Transport } from '@busbar/api/transport';
import { CheckFailed } from '../context/check.ts';
import type { Lab } from '../context/test-context.ts';

/** A settlement without its receipt. */
export type Verdict = WithoutReceipt<Settlement>;

type WithoutReceipt<One> = One extends Settlement ? Omit<One, 'receipt'> : never;

/** Maximum difference between two clocks with a resolution of one millisecond. */
export const ROUNDING_MS = 2;

/** The bodies as text. */
export function texts(lab: Lab, messages: readonly { readonly body: Uint8Array }[]): string[] {
  return messages.map((message) => lab.text(message));
}

/** The ids of messages or results. */
export function idsOf(things: readonly { readonly id: string }[]): string[] {
  return things.map(({ id }) => id);
}

/** Receives one message within `withinMs`. */
export async function receiveOne(lab: Lab, transport: Transport, queue: string, withinMs?: number): Promise<Delivery> {
  const [delivery] = await lab.receive(transport, queue, 1, withinMs);
  if (delivery === undefined) throw new CheckFailed(`no delivery from ${queue}`);
  return delivery;
}

/** Settles all `deliveries` the same way and returns their statuses. */
export async function verdicts(
  transport: Transport,
  deliveries: readonly Pick<Delivery, 'receipt'>[],
  verdict: Verdict,
): Promise<string[]> {
  const settlements = deliveries.map(({ receipt }) => ({ ...verdict, receipt }) as Settlement);
  const results = await transport.queues.settle(settlements);
  return results.map(({ status }) => status);
}

/** Settles all `deliveries` the same way and asserts that each is done. */
export async function settle(
  lab: Lab,
  transport: Transport,
  deliveries: readonly Pick<Delivery, 'receipt'>[],
  verdict: Verdict,
): Promise<void> {
  const statuses = await verdicts(transport, deliveries, verdict);
  lab.check.equal(
    statuses,
    deliveries.map(() => 'done'),
    `${verdict.action} of ${deliveries.length} deliveries`,
  );
}

/** Receives and acks in batches of up to `max` until `count` are acked. Returns the deliveries in order. */
export async function consume(
  lab: Lab,
  transport: Transport,
  queue: string,
  count: number,
  max = 1_000,
): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  while (deliveries.length < count) {
    const wanted = Math.min(max, count - deliveries.length);
    const got = await transport.queues.receive(queue, { max: wanted, waitMs: 5_000 });
    lab.recorder.add(got);
    lab.check.ok(got.length > 0, `received ${deliveries.length} of ${count} from ${queue}, then nothing for 5 s`);
    lab.check.ok(got.length <= wanted, `a receive with max ${wanted} from ${queue} returned ${got.length}`);
    await lab.ack(transport, got);
    deliveries.push(...got);
  }
  return deliveries;
}

/** Receives and acks with all `members` until they acked `count` together. Returns the count of each. */
export async function share(lab: Lab, members: readonly Transport[], queue: string, count: number): Promise<number[]> {
  const deadline = performance.now() + 10_000;
  let left = count;
  const work = async (member: Transport, index: number): Promise<number> => {
    let own = 0;
    while (left > 0 && performance.now() < deadline) {
      const got = await member.queues.receive(queue, { max: 5, waitMs: 50 });
      lab.recorder.add(got, `member-${index}`);
      if (got.length > 0) await lab.ack(member, got);
      own += got.length;
      left -= got.length;
    }
    return own;
  };
  return Promise.all(members.map(work));
}

/** Asserts that each of `ids` was recorded once, and nothing else. */
export function onceEach(lab: Lab, ids: readonly string[]): void {
  lab.check.equal(lab.recorder.lost(ids), [], 'lost');
  lab.check.equal(lab.recorder.unexpected(ids), [], 'delivered, but never sent');
  lab.check.equal(lab.recorder.duplicates(), [], 'delivered more than once');
}

/** Resolves when `performance.now()` reaches `at`. */
export function reached(lab: Lab, at: number): Promise<boolean> {
  return lab.until('the clock to reach the time', () => performance.now() >= at, Number.POSITIVE_INFINITY);
}
