/** Publish and subscribe: slow, mutating and throwing subscribers, and their effect on others. */

import type { TopicEvent } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { EventLog, follow, publish, publishTexts } from '../steps/event-log.ts';
import { spoil } from '../steps/values.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Pub/sub' }, [
  {
    id: 'S15',
    title: 'a slow subscriber delays neither the publisher nor other subscribers, and catches up without loss',
    rules: ['RT4', 'RT1'],
    smoke: true,
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const gate = Promise.withResolvers<void>();
      const events: TopicEvent[] = [];
      const subscription = await client.topics.subscribe('news', { max: 10 }, async (batch) => {
        test.check.ok(batch.length <= 10, 'a batch is not larger than requested');
        events.push(...batch);
        await gate.promise;
      });
      const slow = new EventLog(test, subscription, events);
      const quick = [await follow(test, client, 'news'), await follow(test, publisher, 'news')];
      const sent: string[] = [];
      for (let round = 0; round < 40; round += 1)
        sent.push(...(await publishTexts(test, publisher, 'news', 10, `${round}.`)));
      for (const log of quick) await log.has(sent, 'events of a fast subscriber');
      test.check.ok(events.length <= 10, 'the slow subscriber gets nothing while its handler runs');
      gate.resolve();
      await slow.has(sent, 'all events of the slow subscriber');
    },
  },
  {
    id: 'S16',
    title: 'no subscriber sees what another subscriber or the publisher changes in an event object',
    rules: ['RA5', 'RT1'],
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const spoilAll = (batch: readonly TopicEvent[]): void => batch.forEach(spoil);
      await client.topics.subscribe('news', {}, spoilAll);
      const log = await follow(test, client, 'news');
      await client.topics.subscribe('news', {}, spoilAll);
      const sent = { body: Buffer.from('original'), headers: { kind: 'original' } };
      const published = publish(test, publisher, 'news', [sent]);
      sent.body.fill(0);
      sent.headers.kind = 'spoiled';
      await published;
      await log.has(['original'], 'events of the next subscriber');
      const late = await follow(test, client, 'news', { from: 'start' });
      await late.has(['original'], 'events of a late subscriber');
      for (const { events } of [log, late]) test.check.equal(events[0]?.headers['kind'], 'original', 'headers');
    },
  },
  {
    id: 'S17',
    title: 'a subscription whose handler throws ends or continues alone: the others miss nothing',
    rules: ['RT1', 'RA1'],
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const cause = new Error('handler broke');
      const broken = await client.topics.subscribe('news', {}, () => Promise.reject(cause));
      const sudden = await client.topics.subscribe('news', {}, () => {
        throw cause;
      });
      const log = await follow(test, client, 'news');
      const sent = await publishTexts(test, publisher, 'news', 3, 'a');
      sent.push(...(await publishTexts(test, publisher, 'news', 3, 'b')));
      await log.has(sent, 'events of the healthy subscriber');
      for (const subscription of [broken, sudden]) {
        const error = await subscription.ended;
        test.check.equal([error?.code, error?.cause], ['INTERNAL', cause], 'error of the throwing subscriber');
      }
      await goesOnAfterThrowing(test);
    },
  },
]);

/** A bus handler that throws at every event still gets the next one. */
async function goesOnAfterThrowing(test: TestContext): Promise<void> {
  const errors: unknown[] = [];
  const bus = await test.bus({ onError: ({ error }) => errors.push(error) });
  const handled: unknown[] = [];
  await bus.subscribe('reports', (event) => {
    handled.push(event.body);
    throw new Error('handler broke');
  });
  for (const number of [1, 2, 3]) await bus.publish('reports', number);
  await test.until('three events are handled', () => handled.length >= 3 && errors.length >= 3);
  test.check.equal([handled, errors.length], [[1, 2, 3], 3], 'handled events, and number of reported errors');
}
