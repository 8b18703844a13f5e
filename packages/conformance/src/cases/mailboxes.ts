/** Point-to-point: names and numbers of mailboxes. */

import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, texts } from '../steps/consuming.ts';
import { queueInfo } from '../steps/queue-view.ts';

const MAILBOXES = 10_000;

/** Names that a wrong encoding, a case-insensitive store or a shared separator would confuse. */
const LOOKALIKES = [
  ...['a.b', 'a:b', 'a/b', 'a_b', 'a-b', 'a@b', 'a+b', 'a~b', 'ab', 'A.b', 'a.B', 'A.B', 'a', 'A', 'b', 'a.b.c'],
  ...['a_2Eb', 'a~2Eb', 'a-2Eb', 'a:2eb', 'a+2E+b', 'a_dot_b', 'a//b', 'a.-.b', 'a__b', 'a-_b'],
];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Point-to-point' }, [
  {
    id: 'P7',
    title: 'a send with `create: false` to an unknown queue is NOT_FOUND and leaves nothing behind',
    rules: ['RQ9'],
    smoke: true,
    async run(test, transport) {
      const strict = (): Promise<unknown> => transport.queues.send('no.such', test.messages(2), { create: false });
      const error = await test.check.rejects(strict, 'NOT_FOUND', 'a send to an unknown queue');
      test.check.equal([error.outcome, error.retryable], ['failed', false], 'outcome and retryable');
      test.check.equal(await transport.admin.queues(), [], 'queues after the refused send');
      await test.send(transport, 'no.such', test.messages(1, {}, 'created'));
      await strict();
      const got = await consume(test, transport, 'no.such', 3);
      test.check.equal(texts(test, got), ['created0', 'm0', 'm1'], 'messages of the queue');
      test.check.equal(await transport.admin.deleteQueue('no.such'), true, 'the queue was there');
      await test.check.rejects(strict, 'NOT_FOUND', 'a send to a deleted queue');
      await transport.queues.configure('no.such');
      await strict();
      const configured = texts(test, await consume(test, transport, 'no.such', 2));
      test.check.equal(configured, ['m0', 'm1'], 'messages of a configured queue');
    },
  },
  {
    id: 'P10',
    title: 'names that look alike after escaping or case folding are separate mailboxes',
    rules: ['RA4'],
    smoke: true,
    async run(test, transport) {
      const names = [...new Set(LOOKALIKES)];
      await Promise.all(names.map((name) => test.send(transport, name, [{ id: 'same', body: Buffer.from(name) }])));
      const receiver = await test.open();
      for (const name of names) {
        const got = await receiver.queues.receive(name, { max: 10, waitMs: 2_000 });
        test.check.mapped(got, (one) => [one.queue, test.text(one)], [[name, name]], `messages of ${name}`);
      }
      const listed = (await transport.admin.queues()).map(({ name }) => name);
      test.check.equal(listed.sort(), names.sort(), 'existing queues');
      const blank = transport.queues.send('a ', test.messages(1));
      await test.check.rejects(blank, 'INVALID_ARGUMENT', 'a name with a blank');
    },
  },
  {
    id: 'P11',
    title: 'ten thousand mailboxes each hold their own mail, and ten thousand pending receives each wake for theirs',
    rules: ['RQ8', 'RQ9'],
    timeoutMs: 60_000,
    alone: true,
    async run(test, transport) {
      await fill(test, transport);
      test.check.equal(await countQueues(transport, 'box.'), MAILBOXES, 'mailboxes listed');
      for (let index = 0; index < MAILBOXES; index += 331) {
        const got = await transport.queues.receive(`box.${index}`, { max: 5, waitMs: 2_000 });
        test.check.equal(texts(test, got), [`for ${index}`], `mail in mailbox ${index}`);
      }
      test.check.equal((await queueInfo(transport, 'box.1')).ready, 1, 'mail in an unused mailbox');
      await wakeSome(test, transport);
    },
  },
]);

async function fill(test: TestContext, transport: Transport): Promise<void> {
  for (let from = 0; from < MAILBOXES; from += 1_000) {
    const sends = Array.from({ length: 1_000 }, (_, step) =>
      transport.queues.send(`box.${from + step}`, [{ body: Buffer.from(`for ${from + step}`) }]),
    );
    const statuses = (await Promise.all(sends)).map(([result]) => result?.status);
    test.check.every(statuses, (status) => status === 'stored', 'every send is stored');
  }
}

async function countQueues(transport: Transport, prefix: string): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await transport.admin.queues({ prefix, ...(after !== undefined && { after }) });
    count += page.length;
    after = page.at(-1)?.name;
  } while (after !== undefined);
  return count;
}

/** Waits on ten thousand other mailboxes and wakes a few of them. */
async function wakeSome(test: TestContext, transport: Transport): Promise<void> {
  const enough = new AbortController();
  const waits = Array.from({ length: MAILBOXES }, (_, index) =>
    transport.queues
      .receive(`idle.${index}`, { waitMs: Number.POSITIVE_INFINITY, signal: enough.signal })
      .catch(() => []),
  );
  const sender = await test.open();
  for (let index = 7; index < MAILBOXES; index += 997) {
    await test.send(sender, `idle.${index}`, [{ body: Buffer.from(`wake ${index}`) }]);
    const got = (await waits[index]) ?? [];
    test.check.equal(texts(test, got), [`wake ${index}`], `messages of mailbox ${index}`);
  }
  enough.abort();
  const woken = (await Promise.all(waits)).filter((got) => got.length > 0);
  test.check.equal(woken.length, Math.ceil((MAILBOXES - 7) / 997), 'woken waits');
}
