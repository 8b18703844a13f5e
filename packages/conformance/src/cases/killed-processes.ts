/** Fault injection: processes killed while they consume or produce. */

import { setTimeout as pause } from 'node:timers/promises';
import { type ConformanceCase, defineCases } from '../case.ts';
import { drainFully, fieldsOf, idsOf, receiveOne, texts } from '../steps/consuming.ts';

const LEASE_MS = 500;

const shared = { group: 'Fault injection', harnessFeatures: ['processes'] } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'I4',
    title: 'messages held by a killed consumer go to another after their lease, with the next attempt number',
    rules: ['RQ1', 'RQ2'],
    smoke: true,
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: LEASE_MS });
      await test.send(transport, 'work', test.messages(3));
      const victim = await test.process();
      const since = performance.now();
      const held = await victim.receive('work', { max: 2, waitMs: 5_000 });
      test.check.equal(fieldsOf(held, 'attempt'), [1, 1], 'attempts of the killed consumer');
      await victim.kill();
      const rest = await receiveOne(test, transport, 'work');
      test.check.equal([test.text(rest), rest.attempt], ['m2', 1], 'messages not held by the killed consumer');
      await test.ack(transport, [rest]);
      const again = await test.receive(transport, 'work', 2);
      const waited = performance.now() - since;
      test.check.equal(texts(test, again).sort(), ['m0', 'm1'], 'held messages');
      test.check.equal(fieldsOf(again, 'attempt'), [2, 2], 'attempts after the kill');
      if (test.capabilities.lease === 'timed')
        test.check.between(waited, LEASE_MS - 2, 5_000, 'milliseconds until then');
      await test.ack(transport, again);
      await test.nothing(transport, 'work', test.beyond(LEASE_MS));
    },
  },
  {
    id: 'I5',
    title: 'resending everything after a producer was killed stores each message and event once',
    rules: ['RD1', 'RD2', 'RQ7'],
    async run(test, transport) {
      await transport.topics.bind('events', 'news');
      const victim = await test.process();
      const load = await victim.produce('work', { prefix: 'm', batch: 5 });
      const event = victim.publish('news', [{ id: 'e-0', body: new Uint8Array(1) }]).catch(() => undefined);
      await test.until('it has sent', () => load.sent.length >= 20);
      await pause(test.random() * 10);
      await victim.kill();
      await event;
      const ids = Array.from({ length: load.sent.length + 10 }, (_, index) => `m-${index}`);
      const results = await transport.queues.send(
        'work',
        ids.map((id) => ({ id, body: new Uint8Array(1) })),
      );
      const stored = new Set(idsOf(results.filter(({ status }) => status === 'stored')));
      const again = load.sent.filter((id) => stored.has(id));
      test.check.equal(again, [], 'acknowledged, and yet stored again');
      await transport.topics.publish('news', [{ id: 'e-0', body: new Uint8Array(1) }]);
      const got = [...(await drainFully(test, transport, 'work')), ...(await drainFully(test, transport, 'events'))];
      test.check.equal(test.recorder.lost([...ids, 'e-0']), [], 'lost');
      test.check.equal(test.recorder.duplicates(), [], 'stored twice');
      test.check.equal(got.length, ids.length + 1, 'deliveries');
    },
  },
]);
