/** Dedupe: the ids of messages that were never delivered stay known over a restart. */

import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases, keepsNothing } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, fieldsOf, idsOf, receiveOne, settle } from '../steps/consuming.ts';
import { assertCounts, queueInfo } from '../steps/queue-view.ts';

const HOUR_MS = 3_600_000;
const SOON_MS = 200;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Dedupe', needs: ['dedupeSurvivesRestart'] }, [
  {
    id: 'U7',
    title: 'ids of delayed, retried, cancelled and expired messages stay known after every client has closed',
    rules: ['RQ7', 'RD1'],
    shows: ['cancel'],
    harnessFeatures: ['reopen'],
    async run(test) {
      const ids = await endInManyWays(test, await test.transport());
      await assertKnown(test, await test.reopen(), ids);
    },
  },
  {
    id: 'U8',
    title: 'ids of delayed, retried, cancelled and expired messages stay known after the server was killed',
    rules: ['RQ7', 'RD1'],
    shows: ['cancel'],
    harnessFeatures: ['server'],
    timeoutMs: 60_000,
    notApplicable: keepsNothing,
    async run(test, transport) {
      const ids = await endInManyWays(test, transport);
      await test.server.kill();
      await test.server.start();
      await assertKnown(test, transport, ids);
    },
  },
]);

/** Sends messages that are delayed, due, retried, expired and cancelled at the end. Returns their ids. */
async function endInManyWays(test: TestContext, transport: Transport): Promise<string[]> {
  const named = async (id: string, fields: { delayMs?: number; ttlMs?: number } = {}): Promise<void> => {
    await test.send(transport, 'work', test.messages(1, { id, ...fields }));
  };
  await named('retried');
  await settle(test, transport, [await receiveOne(test, transport, 'work')], { action: 'retry', delayMs: HOUR_MS });
  await named('due', { delayMs: SOON_MS });
  test.check.equal(idsOf(await consume(test, transport, 'work', 1)), ['due'], 'due messages');
  await named('delayed', { delayMs: HOUR_MS });
  await named('expired', { ttlMs: SOON_MS });
  const isExpired = async (): Promise<boolean> => (await queueInfo(transport, 'work')).totals.expired === 1;
  await test.until('it is expired', isExpired, test.capabilities.reclaimMs + 10_000);
  const ids = ['retried', 'due', 'delayed', 'expired'];
  if (!test.capabilities.features.cancel) return ids;
  await named('cancelled', { delayMs: HOUR_MS });
  await named('cancelled-ready');
  const cancelled = await transport.admin.cancel('work', ['cancelled', 'cancelled-ready']);
  test.check.equal(fieldsOf(cancelled, 'status'), ['done', 'done'], 'cancelled');
  return [...ids, 'cancelled', 'cancelled-ready'];
}

async function assertKnown(test: TestContext, transport: Transport, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const [again] = await transport.queues.send('work', test.messages(1, { id }));
    test.check.equal(again?.status, 'duplicate', `the ${id} message, sent again`);
  }
  await test.send(transport, 'work', test.messages(1, { id: 'fresh' }));
  test.check.equal(idsOf(await consume(test, transport, 'work', 1)), ['fresh'], 'messages after the restart');
  await test.nothing(transport, 'work', 50);
  await assertCounts(test, transport, 'work', { ready: 0, delayed: 2, leased: 0, dead: 0 });
}
