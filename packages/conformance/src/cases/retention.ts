/** Replay: events removed by retention are reported, never skipped silently. */

import { type ErrorCode, isBusbarError } from '@busbar/api';
import type { Capabilities, MessageInput, TopicSubscription, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, texts, waitUntil } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';

const BODY_BYTES = 524_288;
const MOST_BODIES = 1_000;
const MOST_EVENTS = 120_000;

const shared = { group: 'Replay/offset', timeoutMs: 90_000, load: 'alone' } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'Y10',
    title: 'events older than `maxAgeMs` leave the history within the declared time, and later ones stay',
    rules: ['RT6', 'RT4'],
    load: 'timed',
    harnessFeatures: ['options'],
    async run(test) {
      const client = await openShort(test, 3_000);
      if (client === undefined) return;
      const began = performance.now();
      const [first] = await publish(test, client, 'news', test.messages(3, {}, 'old'));
      const isGone = async (): Promise<boolean> =>
        (await codeOf(test, client, first?.position ?? '')) === 'POSITION_EXPIRED';
      await waitUntil(test, began + 2_000);
      const isGoneEarly = await isGone();
      if (performance.now() < began + 3_000) test.check.equal(isGoneEarly, false, 'a young event is kept');
      await publish(test, client, 'other', test.messages(1));
      await test.until('the old events are gone', isGone, 3_000 + test.capabilities.reclaimMs + 8_000);
      await publish(test, client, 'news', test.messages(2, {}, 'new'));
      const log = await follow(test, client, 'news', { from: 'start' });
      await log.has(['new0', 'new1'], 'the history');
    },
  },
  {
    id: 'Y5',
    title: 'a position removed by retention is an explicit error, and events still in a queue are kept for it',
    rules: ['RT4', 'RT6', 'RT3'],
    notApplicable: ({ retention }) =>
      isReachable(retention) ? undefined : 'Its history is too long to fill in reasonable time.',
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      await publisher.topics.bind('mine', 'news');
      const [first] = await publish(test, publisher, 'news', test.messages(6));
      const gate = Promise.withResolvers<void>();
      const seen: string[] = [];
      const slow = await client.topics.subscribe('news', { from: 'start', max: 1 }, async (events) => {
        seen.push(...texts(test, events));
        await gate.promise;
      });
      await test.until('the slow subscriber is running', () => seen.length === 1);
      await overflow(test, publisher);
      const isExpired = async (): Promise<boolean> =>
        (await codeOf(test, client, first?.position ?? '')) === 'POSITION_EXPIRED';
      await test.until('the position is expired', isExpired, test.capabilities.reclaimMs + 10_000);
      gate.resolve();
      await endsWithoutGap(test, slow, seen);
      const kept = texts(test, await consume(test, client, 'mine', 6));
      test.check.equal(kept, texts(test, test.messages(6)), 'unsettled events of the bound queue');
      await readsWhatIsKept(test, client);
      test.check.equal(await codeOf(test, client, 'a foreign position'), 'INVALID_ARGUMENT', 'a foreign position');
    },
  },
]);

/** A client of another namespace with a short history. Undefined if the backend has no such option. */
async function openShort(test: TestContext, maxAgeMs: number): Promise<Transport | undefined> {
  try {
    const client = await test.openWith({ ns: `short-${crypto.randomUUID().slice(0, 8)}`, retention: { maxAgeMs } });
    test.defer(() => client.admin.clear());
    return client;
  } catch (error) {
    if (!isBusbarError(error) || error.code !== 'UNSUPPORTED') throw error;
    test.check.ok(error.message.includes('retention'), `the error names retention: ${error.message}`);
    return undefined;
  }
}

function isReachable({ maxBytes, maxEvents }: Capabilities['retention']): boolean {
  return maxBytes <= BODY_BYTES * MOST_BODIES || maxEvents <= MOST_EVENTS;
}

/** Publishes more than retention keeps, by bytes or by number, whichever is less work. */
async function overflow(test: TestContext, publisher: Transport): Promise<void> {
  const { maxBytes, maxEvents } = test.capabilities.retention;
  const bodies = Math.ceil(maxBytes / BODY_BYTES) + 8;
  const isByBytes = bodies <= MOST_BODIES && (bodies * 100 < maxEvents || maxEvents > MOST_EVENTS);
  const [count, batch] = isByBytes ? [bodies, 8] : [maxEvents + 1_000, 1_000];
  const event: MessageInput = { body: Buffer.alloc(isByBytes ? BODY_BYTES : 16, 'x') };
  for (let sent = 0; sent < count; sent += batch) {
    const events = Array.from({ length: batch }, () => event);
    const results = await publisher.topics.publish('bulk', events);
    test.check.every(results, ({ status }) => status === 'stored', 'every event is stored');
  }
}

/** Returns the error code of a subscribe after `position`. */
async function codeOf(test: TestContext, client: Transport, after: string): Promise<ErrorCode | undefined> {
  try {
    const { subscription } = await follow(test, client, 'news', { from: { after } });
    await subscription.close();
    return undefined;
  } catch (error) {
    if (isBusbarError(error)) return error.code;
    throw error;
  }
}

/** A subscription from the start gets every kept event once, then new ones. */
async function readsWhatIsKept(test: TestContext, client: Transport): Promise<void> {
  const log = await follow(test, client, '>', { from: 'start' });
  await publish(test, client, 'news', test.messages(1, {}, 'fresh'));
  await test.until('all kept events and the next one', () => log.events.at(-1)?.topic === 'news', 20_000);
  test.check.equal(log.events[0]?.topic, 'bulk', 'the topic of the oldest kept event');
  const topics = await client.admin.topics();
  const kept = topics.reduce((sum, { events }) => sum + events, 0);
  test.check.between(log.events.length, kept, kept + 1_000, 'events read, of those kept');
  test.check.equal(new Set(log.events.map(({ id }) => id)).size, log.events.length, 'different events');
}

/** A subscriber overtaken by retention gets events without a gap, then an error, or it gets all events. */
async function endsWithoutGap(
  test: TestContext,
  subscription: TopicSubscription,
  seen: readonly string[],
): Promise<void> {
  let code: string | undefined;
  void subscription.ended.then((error) => {
    code = error?.code;
  });
  await test.until('the slow subscriber ends or has all events', () => code !== undefined || seen.length === 6, 10_000);
  if (seen.length < 6) test.check.equal(code, 'POSITION_EXPIRED', 'error of the slow subscriber');
  test.check.equal(seen, texts(test, test.messages(6)).slice(0, seen.length), 'events before the error');
}
