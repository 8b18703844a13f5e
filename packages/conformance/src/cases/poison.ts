/** Dead letters: handlers that reject, messages that kill consumers, crashes during dead-lettering. */

import { RejectError } from '@busbar/api';
import type { Delivery, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import type { RemoteClient } from '../processes/remote-client.ts';
import { idsOf } from '../steps/consuming.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Dead letters' }, [
  {
    id: 'D2',
    title: 'a handler that throws RejectError makes a dead letter at once; any other error causes a retry',
    rules: ['RQ5'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      const attempts: string[] = [];
      await bus.process(
        'jobs',
        (task, context) => {
          attempts.push(`${task.body} ${context.attempt}`);
          if (task.body === 'hopeless') throw new RejectError('no such customer');
          if (context.attempt === 1) throw new Error('try again');
        },
        { retry: { baseMs: 0 } },
      );
      await bus.enqueueAll('jobs', ['hopeless', 'hopeful']);
      await test.until('the retried message is handled', () => attempts.includes('hopeful 2'));
      const [letter] = await deadLetters(test, transport, 'jobs', 1);
      test.check.equal([letter?.attempts, letter?.dead?.reason], [1, 'no such customer'], 'attempts and reason');
      test.check.equal(letter && test.text(letter.message), '"hopeless"', 'its body');
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 1 });
      test.check.equal(attempts.sort(), ['hopeful 1', 'hopeful 2', 'hopeless 1'], 'attempts of both');
    },
  },
  {
    id: 'D7',
    title: 'a message that kills each of its consumers becomes a dead letter after its last attempt',
    rules: ['RQ5', 'RQ2'],
    harnessFeatures: ['processes'],
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: 300, maxAttempts: 2 });
      const [poison] = await test.send(transport, 'work', test.messages(1, {}, 'poison'));
      for (const attempt of [1, 2]) {
        const victim = await test.process();
        const [delivery] = await victim.receive('work', { waitMs: 10_000, consumer: `victim ${attempt}` });
        await victim.kill();
        test.check.equal([delivery?.id, delivery?.attempt], [poison?.id, attempt], `messages of victim ${attempt}`);
      }
      const [next] = await test.send(transport, 'work', test.messages(1, {}, 'next'));
      const got = await test.receive(transport, 'work', 1);
      await test.ack(transport, got);
      test.check.equal(idsOf(got), [next?.id], 'messages of the next consumer');
      await test.nothing(transport, 'work', test.beyond(500));
      const [letter] = await deadLetters(test, transport, 'work', 1);
      const history = letter?.history.map(({ outcome, consumer }) => `${outcome} ${consumer}`);
      test.check.equal(history, ['expired victim 1', 'expired victim 2'], 'its attempts');
      test.check.equal(letter?.message.id, poison?.id, 'the dead letter');
    },
  },
  {
    id: 'D8',
    title: 'a crash during dead-lettering leaves every message exactly once',
    rules: ['RQ5', 'RQ1'],
    shows: ['atomicMove'],
    harnessFeatures: ['processes'],
    timeoutMs: 60_000,
    async run(test, transport) {
      for (let round = 0; round < 3; round += 1) {
        const queue = `work.${round}`;
        await transport.queues.configure(queue, { leaseMs: 400, maxAttempts: 1 });
        const ids = idsOf(await test.send(transport, queue, test.messages(120)));
        await rejectAndCrash(test, await test.process(), queue);
        await test.until('all are dead letters', async () => {
          await test.nothing(transport, queue, 20);
          return (await deadIds(transport, queue)).length >= ids.length;
        });
        const dead = await deadIds(transport, queue);
        const found = test.capabilities.features.atomicMove ? dead : [...new Set(dead)];
        test.check.equal(found.sort(), ids.sort(), `dead letters of round ${round}`);
        await assertCounts(test, transport, queue, { ready: 0, delayed: 0, leased: 0 });
      }
    },
  },
]);

/** Rejects many messages in small batches, in flight when the process is killed. */
async function rejectAndCrash(test: TestContext, client: RemoteClient, queue: string): Promise<void> {
  const held: Delivery[] = [];
  while (held.length < 120) held.push(...(await client.receive(queue, { max: 120 - held.length, waitMs: 2_000 })));
  const settling = Array.from({ length: 30 }, (_, at) => {
    const batch = held.slice(at * 4, at * 4 + 4).map(({ receipt }) => ({ receipt, action: 'reject' as const }));
    return client.settle(batch).catch(() => undefined);
  });
  await settling[Math.floor(test.random() * 20)];
  await client.kill();
  await Promise.all(settling);
}

async function deadIds(transport: Transport, queue: string): Promise<string[]> {
  const { messages } = await transport.admin.browse(queue, { state: 'dead', limit: 1_000 });
  return idsOf(messages.map(({ message }) => message));
}
