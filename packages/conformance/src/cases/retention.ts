/** Replay: events removed by retention are reported, never skipped silently. */

import { type ErrorCode, isBusbarError } from '@busbar/api';
import type { Capabilities, MessageInput, OnEvents, Subscription, Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { consume, texts } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';

const BODY_BYTES = 524_288;
const MOST_BODIES = 1_000;
const MOST_EVENTS = 120_000;

export const cases: readonly ConformanceCase[] = [
  {
    id: 'Y5',
    group: 'Replay/offset',
    title: 'a position removed by retention is an explicit error, and events still in a queue are kept for it',
    level: 'MUST',
    rules: ['RT4', 'RT6', 'RT3'],
    timeoutMs: 90_000,
    alone: true,
    notApplicable: ({ retention }) =>
      isReachable(retention) ? undefined : 'Its history is too long to fill in reasonable time.',
    async run(lab) {
      const [publisher, client] = [await lab.transport(), await lab.open()];
      await publisher.topics.bind('mine', 'news');
      const [first] = await publish(lab, publisher, 'news', lab.messages(6));
      const gate = Promise.withResolvers<void>();
      const seen: string[] = [];
      const slow = await subscribeSlowly(client, async (events) => {
        seen.push(...texts(lab, events));
        await gate.promise;
      });
      await lab.until('the slow subscriber is running', () => seen.length === 1);
      await overflow(lab, publisher);
      const isExpired = async (): Promise<boolean> =>
        (await codeOf(lab, client, first?.position ?? '')) === 'POSITION_EXPIRED';
      await lab.until('the position is expired', isExpired, lab.capabilities.reclaimMs + 10_000);
      gate.resolve();
      await endsWithoutGap(lab, slow, seen);
      const kept = texts(lab, await consume(lab, client, 'mine', 6));
      lab.check.equal(kept, texts(lab, lab.messages(6)), 'unsettled events of the bound queue');
      await readsWhatIsKept(lab, client);
      lab.check.equal(await codeOf(lab, client, 'no position of this store'), 'INVALID_ARGUMENT', 'a foreign position');
    },
  },
];

function isReachable({ maxBytes, maxEvents }: Capabilities['retention']): boolean {
  return maxBytes <= BODY_BYTES * MOST_BODIES || maxEvents <= MOST_EVENTS;
}

/** Publishes more than retention keeps, by bytes or by number, whichever is less work. */
async function overflow(lab: Lab, publisher: Transport): Promise<void> {
  const { maxBytes, maxEvents } = lab.capabilities.retention;
  const bodies = Math.ceil(maxBytes / BODY_BYTES) + 8;
  const isByBytes = bodies <= MOST_BODIES && (bodies * 100 < maxEvents || maxEvents > MOST_EVENTS);
  const [count, batch] = isByBytes ? [bodies, 8] : [maxEvents + 1_000, 1_000];
  const event: MessageInput = { body: Buffer.alloc(isByBytes ? BODY_BYTES : 16, 'x') };
  for (let sent = 0; sent < count; sent += batch) {
    const events = Array.from({ length: batch }, () => event);
    const results = await publisher.topics.publish('bulk', events);
    lab.check.ok(
      results.every(({ status }) => status === 'stored'),
      'every event is stored',
    );
  }
}

function subscribeSlowly(client: Transport, onEvents: OnEvents): Promise<Subscription> {
  return client.topics.subscribe('news', { from: 'start', max: 1 }, onEvents);
}

/** Returns the error code of a subscribe after `position`. */
async function codeOf(lab: Lab, client: Transport, after: string): Promise<ErrorCode | undefined> {
  try {
    const { subscription } = await follow(lab, client, 'news', { from: { after } });
    await subscription.close();
    return undefined;
  } catch (error) {
    if (isBusbarError(error)) return error.code;
    throw error;
  }
}

/** A subscription from the start gets every kept event once, then new ones. */
async function readsWhatIsKept(lab: Lab, client: Transport): Promise<void> {
  const log = await follow(lab, client, '>', { from: 'start' });
  await publish(lab, client, 'news', lab.messages(1, {}, 'fresh'));
  await lab.until('all kept events and the next one', () => log.events.at(-1)?.topic === 'news', 20_000);
  lab.check.equal(log.events[0]?.topic, 'bulk', 'the topic of the oldest that is kept');
  const topics = await client.admin.topics();
  const kept = topics.reduce((sum, { events }) => sum + events, 0);
  lab.check.between(log.events.length, kept, kept + 1_000, 'events read, of those kept');
  lab.check.equal(new Set(log.events.map(({ id }) => id)).size, log.events.length, 'different events');
}

/** A subscriber overtaken by retention gets events without a gap, then an error, or it gets all events. */
async function endsWithoutGap(lab: Lab, subscription: Subscription, seen: readonly string[]): Promise<void> {
  let code: string | undefined;
  void subscription.ended.then((error) => {
    code = error?.code;
  });
  await lab.until('the slow one ends or has all', () => code !== undefined || seen.length === 6, 10_000);
  if (seen.length < 6) lab.check.equal(code, 'POSITION_EXPIRED', 'error of the slow subscriber');
  lab.check.equal(seen, texts(lab, lab.messages(6)).slice(0, seen.length), 'events before the error');
}
