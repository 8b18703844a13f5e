/** Replay: a binding from the start beside another one that matches some of its topics. */

import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, texts } from '../steps/consuming.ts';
import { publish } from '../steps/event-log.ts';

const TOPICS = ['a.x', 'a.y', 'b.x', 'b.y'];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Replay/offset' }, [
  {
    id: 'Y9',
    title: 'a binding from the start adds the history that an overlapping binding has not added, each event once',
    rules: ['RT5', 'RT3'],
    async run(test) {
      const [publisher, member] = [await test.transport(), await test.open()];
      await publishAll(test, publisher, 'before');
      await publisher.topics.bind('work', 'a.*');
      await publishAll(test, publisher, 'handled');
      const handled = await consume(test, member, 'work', 2);
      test.check.equal(texts(test, handled), ['handled a.x', 'handled a.y'], 'events of the first binding');
      await publishAll(test, publisher, 'waiting');
      const live = Array.from({ length: 20 }, (_, round) => `live ${round}`);
      const publishing = (async () => {
        for (const prefix of live) await publishAll(test, publisher, prefix);
      })();
      await member.topics.bind('work', '*.y', { from: 'start' });
      await publishing;
      await publishAll(test, publisher, 'after');
      const both = ['waiting', ...live, 'after'].flatMap((prefix) => [
        `${prefix} a.x`,
        `${prefix} a.y`,
        `${prefix} b.y`,
      ]);
      const expected = ['before a.y', 'before b.y', 'handled b.y', ...both];
      const got = texts(test, await consume(test, member, 'work', expected.length));
      test.check.equal(got.sort(), expected.sort(), 'events of both bindings');
      await test.nothing(member, 'work', 100);
      await publisher.topics.unbind('work', 'a.*');
      await publishAll(test, publisher, 'unbound');
      const rest = texts(test, await consume(test, member, 'work', 2));
      test.check.equal(rest, ['unbound a.y', 'unbound b.y'], 'events of the remaining binding');
      await test.nothing(member, 'work', 50);
    },
  },
]);

/** Publishes one event on each topic. Its body is the prefix and the topic. */
async function publishAll(test: TestContext, publisher: Transport, prefix: string): Promise<void> {
  for (const topic of TOPICS) await publish(test, publisher, topic, [{ body: Buffer.from(`${prefix} ${topic}`) }]);
}
