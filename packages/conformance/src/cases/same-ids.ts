/** Several messages of one queue with one id. */

import { type ConformanceCase, defineCases } from '../case.ts';
import { receiveOne } from '../steps/consuming.ts';
import { assertCounts } from '../steps/queue-view.ts';

const HOUR_MS = 3_600_000;
const TOPICS = ['orders.made', 'orders.paid', 'orders.sent'];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Dedupe' }, [
  {
    id: 'U16',
    title: 'of several messages with one id all are found, cancelled, rescheduled and purged by it',
    rules: ['RQ5', 'RQ6', 'RQ7'],
    needs: ['cancel'],
    async run(test) {
      const [transport, operator] = [await test.transport(), await test.open()];
      const statusesOf = (results: readonly { readonly status: string }[]): string[] =>
        results.map(({ status }) => status);
      for (const queue of ['cancelled', 'postponed']) await transport.topics.bind(queue, 'orders.*', { from: 'new' });
      for (const topic of TOPICS) {
        const results = await transport.topics.publish(topic, [{ id: 'order', body: Buffer.from(topic) }]);
        test.check.equal(statusesOf(results), ['stored'], topic);
      }
      const taken = await receiveOne(test, transport, 'cancelled');
      const found = await operator.admin.browse('cancelled', { ids: ['order'] });
      test.check.equal(
        found.messages.map(({ state }) => state).sort(),
        ['leased', 'ready', 'ready'],
        'found by the id',
      );
      const cancelled = await operator.admin.cancel('cancelled', ['order', 'other', 'order']);
      test.check.equal(statusesOf(cancelled), ['done', 'not-found', 'done'], 'cancelled, each given id');
      await assertCounts(test, transport, 'cancelled', { ready: 0, delayed: 0, leased: 1, dead: 0 });
      test.check.equal(statusesOf(await operator.admin.cancel('cancelled', ['order'])), ['started'], 'cancelled again');
      await test.ack(transport, [taken]);
      const gone = await operator.admin.cancel('cancelled', ['order']);
      test.check.equal(statusesOf(gone), ['not-found'], 'cancelled after the acknowledgement');
      const later = await operator.admin.reschedule('postponed', ['order', 'order'], HOUR_MS);
      test.check.equal(statusesOf(later), ['done', 'done'], 'put off');
      await assertCounts(test, transport, 'postponed', { ready: 0, delayed: 3, leased: 0, dead: 0 });
      test.check.equal(await operator.admin.purge('postponed', { state: 'delayed', ids: ['order'] }), 3, 'purged');
    },
  },
]);
