/** Request and response: streams, duplicate responses, and a lost requester or responder. */

import type { RequestOptions } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { moduleOf } from '../processes/remote-client.ts';
import { LONG_TIMEOUT, openPair, untilFired } from '../steps/requesting.ts';

/** Replies in flight to a slow reader: 64 of credit and the buffer of its own side. */
const MOST_AHEAD = 100;
/** Error codes of a request whose responder closes during it. */
const GONE = ['CLOSED', 'NO_RESPONDER', 'HANDLER_FAILED', 'UNAVAILABLE', 'TIMEOUT'] as const;
const serving = moduleOf('serve-without-reply');

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Request/reply' }, [
  {
    id: 'R7',
    title: 'responses stream in order, with backpressure, until they end or the reader stops',
    rules: ['RA1', 'RT1'],
    timeoutMs: 40_000,
    smoke: true,
    async run(test) {
      const { requester, service } = await openPair(test);
      let given = 0;
      const left = new Set<number>();
      service.handle<number>('count', async function* ({ body }, { signal }) {
        signal.addEventListener('abort', () => left.add(body));
        for (given = 0; given < body; given += 1) yield given;
        return `counted to ${body}`;
      });
      const stream = requester.requestStream<number, string>('@service', 'count', 400, { timeoutMs: 35_000 });
      let read = 0;
      for await (const part of stream) {
        test.check.equal(part, read, 'the next part');
        read += 1;
        if (read !== 5) continue;
        await standsStill(test, () => given);
        test.check.between(given, 5, 5 + MOST_AHEAD, 'sent to a reader that has read five');
      }
      test.check.equal(read, 400, 'parts');
      test.check.equal(await stream.result, 'counted to 400', 'the end');
      for await (const part of requester.requestStream('@service', 'count', 100_000, LONG_TIMEOUT))
        if (part === 3) break;
      await test.until('the handler is aborted after its reader stopped', () => left.has(100_000));
      test.check.between(given, 3, 3 + MOST_AHEAD, 'sent to a reader that stopped');
      const last = await requester.request('@service', 'count', 3, LONG_TIMEOUT);
      test.check.equal(last, 'counted to 3', 'the response without its parts');
    },
  },
  {
    id: 'R9',
    title: 'closing a bus ends the requests it made and those it serves, within the close time-out',
    rules: ['RA3', 'RA1'],
    async run(test) {
      const [requesting, replying] = [await test.bus(), await test.bus()];
      const [first, other] = [await requesting.agent('@requester'), await test.agent('@other')];
      const service = await replying.agent('@service');
      let atWork = 0;
      service.handle('slow', async (_message, { signal }) => {
        atWork += 1;
        await untilFired(signal);
        return 'too late';
      });
      const began = performance.now();
      const pending = [first, first, other].map((requester) =>
        requester.request('@service', 'slow', null, LONG_TIMEOUT),
      );
      const [one, two, third] = pending.map((request) => request.catch((error: unknown) => error));
      await test.until('all are handled', () => atWork === 3);
      await requesting.close();
      for (const ended of [one, two]) {
        await test.check.rejects(Promise.reject(await ended), 'CLOSED', 'a request by the closed bus');
      }
      await test.check.rejects(first.request('@service', 'slow', null, LONG_TIMEOUT), 'CLOSED', 'a request after that');
      await replying.close({ drainMs: 0 });
      const late = await third;
      if (late !== 'too late') await test.check.rejects(Promise.reject(late), GONE, 'a request to the closed bus');
      test.check.between(performance.now() - began, 0, 10_000, 'closing them took');
    },
  },
  {
    id: 'R18',
    title: 'a request whose parts are not read ends when its time is over, for its handler too',
    rules: ['RA1', 'RA3'],
    async run(test) {
      const { requester, service } = await openPair(test);
      let ended = 0;
      service.handle('parts', async function* (_, { signal }) {
        try {
          while (!signal.aborted) yield 'part';
        } finally {
          ended += 1;
        }
      });
      const parts = requester.requestStream('@service', 'parts', null, { timeoutMs: 400 })[Symbol.asyncIterator]();
      test.check.equal((await parts.next()).value, 'part', 'the only part that is read');
      await test.until('the handler has ended', () => ended === 1);
      test.check.equal(service.load, 0, 'running handlers');
      const readRest = async (): Promise<void> => {
        while (!(await parts.next()).done);
      };
      await test.check.rejects(readRest(), 'TIMEOUT', 'the end of the stream');
    },
  },
  {
    id: 'R10',
    title:
      'when a responder is killed the requester learns it within a bound; a durable request goes to another instance',
    rules: ['RQ1', 'RQ2', 'RA1'],
    harnessFeatures: ['processes'],
    async run(test) {
      const requester = await test.agent('@requester');
      const doomed = await test.process();
      await doomed.run(serving, 'serveWithoutReply', '@service');
      const ask = (options: RequestOptions): Promise<unknown> =>
        requester.request('@service', 'work', null, options).catch((error: unknown) => error);
      const [request, durable] = [ask({ timeoutMs: 3_000 }), ask({ ...LONG_TIMEOUT, durable: true })];
      await test.until('both are handled', async () => (await doomed.run<number>(serving, 'startedRequests')) === 2);
      const began = performance.now();
      await doomed.kill();
      const bus = await test.bus();
      const second = await bus.agent('@service', { leaseMs: 500 });
      second.handle('work', ({ type }) => `done: ${type}`);
      test.check.equal(await durable, 'done: work', 'the response of the other instance');
      const error = await request;
      await test.check.rejects(Promise.reject(error), GONE, 'the request without `durable`');
      test.check.between(performance.now() - began, 0, 10_000, 'detection took');
    },
  },
  {
    id: 'R11',
    title: 'the first of two responses to a request counts, and the second reaches no other request',
    rules: ['RQ7', 'RA1'],
    async run(test) {
      const { requester, service } = await openPair(test);
      const ask = (body: string) => requester.request('@service', 'by hand', body, { ...LONG_TIMEOUT, durable: true });
      for (let round = 0; round < 5; round += 1) {
        const first = ask(`first ${round}`);
        const [taken] = await service.receive<string>({ waitMs: 10_000 });
        await taken?.reply(`one: ${taken.body}`);
        await taken?.reply(`two: ${taken.body}`);
        await taken?.retry({ delayMs: 0 });
        const second = ask(`second ${round}`);
        const again = await service.receive<string>({ max: 2, waitMs: 10_000 });
        const rest = again.length < 2 ? await service.receive<string>({ waitMs: 10_000 }) : [];
        for (const message of [...again, ...rest]) {
          await message.reply(`again: ${message.body}`);
          await message.ack();
        }
        test.check.equal(await first, `one: first ${round}`, 'the first response');
        test.check.equal(await second, `again: second ${round}`, 'the response to the next request');
      }
      const { admin } = await test.transport();
      await test.until('no response is left', async () => (await admin.queues({ prefix: '$reply.' })).length === 0);
    },
  },
  {
    id: 'R12',
    title: 'the reply queue of a lost requester expires, and a late response does not bring it back',
    rules: ['RQ9', 'RA3'],
    async run(test) {
      const [dying, service, transport] = [await test.bus(), await test.agent('@service'), await test.transport()];
      const requester = await dying.agent('@requester', { presenceTtlMs: 500 });
      // Another agent: a handler of `@service` would compete with its receive, and refuse the request by hand.
      (await test.agent('@helper')).handle('quick', () => 'here');
      await requester.request('@helper', 'quick', null, LONG_TIMEOUT);
      const lost = requester
        .request('@service', 'by hand', 'last', { ...LONG_TIMEOUT, durable: true })
        .catch(() => 'lost');
      const [received] = await service.receive({ waitMs: 10_000 });
      await dying.transport.close();
      test.check.equal(await lost, 'lost', 'result of the lost request');
      const left = await transport.admin.queues({ prefix: '$reply.' });
      test.check.ok(left.length > 0, 'its reply queue still exists');
      for (const { name, settings } of left) {
        test.check.between(settings.expireIdleMs, 1_000, 604_800_000, `idle expiry of ${name}`);
        await transport.queues.configure(name, { expireIdleMs: 1_000 });
      }
      const gone = async () => (await transport.admin.queues({ prefix: '$reply.' })).length === 0;
      await test.until('the reply queues are deleted', gone, test.beyond(4_000) + test.capabilities.reclaimMs);
      await received?.reply('nobody waits');
      await received?.ack();
      test.check.ok(await gone(), 'a late response does not create a queue');
      const offline = async () =>
        (await (await test.bus()).agents({ online: true })).every(({ name }) => name !== '@requester');
      await test.until('it is offline', offline);
    },
  },
]);

/** Resolves when the number has stopped changing. */
async function standsStill(test: TestContext, number: () => number): Promise<void> {
  let [seen, since] = [number(), performance.now()];
  await test.until('it stands still', () => {
    if (number() !== seen) [seen, since] = [number(), performance.now()];
    return performance.now() - since > 150;
  });
}
