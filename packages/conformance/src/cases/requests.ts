/** Request and response: one outcome per request. */

import { BusbarError, type Context, RejectError } from '@busbar/api';
import type { Calls } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { waitUntil } from '../steps/consuming.ts';
import { firstReply, LONG_TIMEOUT, openPair, untilFired } from '../steps/requesting.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Request/reply' }, [
  {
    id: 'R1',
    title: 'each request gets its own response from the handler of its type, and the handler sees the requester',
    rules: ['RA1', 'RQ9'],
    smoke: true,
    async run(test) {
      const { requester, service } = await openPair(test);
      service.handle<{ n: number }>('double', ({ body }) => ({ twice: body.n * 2 }));
      service.handle('who', ({ id, type, from, to, headers, correlationId, hops }) => {
        return { id: typeof id, type, from, to, headers, correlationId, hops };
      });
      service.handle('nothing', () => undefined);
      const numbers = Array.from({ length: 20 }, (_, n) => n);
      const responses = numbers.map((n) => requester.request('@service', 'double', { n }, LONG_TIMEOUT));
      const doubled = numbers.map((n) => ({ twice: n * 2 }));
      test.check.equal(await Promise.all(responses), doubled, 'responses');
      const options = { ...LONG_TIMEOUT, correlationId: 'order-7', headers: { trace: 'abc' } };
      const seen = await requester.request('@service', 'who', null, options);
      const message = {
        id: 'string',
        type: 'who',
        from: '@requester',
        to: '@service',
        ...withoutTime(options),
        hops: 0,
      };
      test.check.equal(seen, message, 'message of the handler');
      const empty = await requester.request('@service', 'nothing', undefined, LONG_TIMEOUT);
      test.check.equal(empty, undefined, 'an empty response');
    },
  },
  {
    id: 'R2',
    title: 'the responses to a thousand concurrent requests, in any order, are never mixed up',
    rules: ['RA1'],
    timeoutMs: 40_000,
    async run(test) {
      const service = await test.agent('@service', { maxConcurrent: 200 });
      const turns = Array.from({ length: 97 }, () => Math.floor(test.random() * 8));
      let handled = 0;
      service.handle<string>('echo', async ({ body, from }) => {
        handled += 1;
        for (let turn = turns[handled % turns.length] ?? 0; turn > 0; turn -= 1) await new Promise(setImmediate);
        return `${from} ${body}`;
      });
      const requesters = await Promise.all(['@one', '@two', '@three', '@four'].map((name) => test.agent(name)));
      const asked = Array.from({ length: 1_000 }, (_, index) => ({ requester: requesters[index % 4], index }));
      const responses = await Promise.all(
        asked.map(({ requester, index }) => requester?.request('@service', 'echo', `${index}`, { timeoutMs: 35_000 })),
      );
      const expected = asked.map(({ requester, index }) => `${requester?.name} ${index}`);
      test.check.equal(responses, expected, 'responses');
      test.check.equal(handled, 1_000, 'requests handled');
    },
  },
  {
    id: 'R15',
    title: 'durable requests of one agent at the same time each get their own response',
    rules: ['RA1', 'RQ9'],
    async run(test) {
      const { requester, service } = await openPair(test);
      const gates = Array.from({ length: 8 }, () => Promise.withResolvers<void>());
      service.handle<number>('echo', async ({ body }) => {
        await gates[body]?.promise;
        return body;
      });
      const numbers = gates.map((_, index) => index);
      const responses = numbers.map((n) =>
        requester.request('@service', 'echo', n, { ...LONG_TIMEOUT, durable: true }),
      );
      for (const gate of gates.toReversed()) gate.resolve();
      test.check.equal(await Promise.all(responses), numbers, 'responses');
      await test.until('no reply queue is left', async () => (await replyQueues(test)).length === 0);
    },
  },
  {
    id: 'R16',
    title: 'an agent runs as many requests at a time as it allows, and the others wait for their turn',
    rules: ['RA1', 'RQ8'],
    async run(test) {
      const { calls } = await test.transport();
      const beside = calls === undefined ? [] : [assertCallLimit(test, calls)];
      await Promise.all([assertRequestLimit(test), ...beside]);
    },
  },
  {
    id: 'R3',
    title: 'a request without a response in time is a TIMEOUT, aborts the handler, and leaves nothing behind',
    rules: ['RA1', 'RA3'],
    async run(test) {
      const { requester, service } = await openPair(test);
      let [begun, ended] = [0, 0];
      service.handle('slow', async (_message, { signal }) => {
        begun += 1;
        await untilFired(signal);
        ended += 1;
      });
      service.handle('quick', () => 'here');
      const began = performance.now();
      const request = requester.request('@service', 'slow', null, { timeoutMs: 1_000 });
      const error = await test.check.rejects(request, 'TIMEOUT', 'a missing response');
      test.check.between(performance.now() - began, 995, 6_000, 'the time-out came after');
      test.check.equal([error.retryable, error.outcome], [true, 'unknown'], 'retryable and outcome');
      await test.until('the handler is aborted', () => begun === 1 && ended === 1);
      const queues = await replyQueues(test);
      const more = Array.from({ length: 20 }, () => requester.request('@service', 'slow', null, { timeoutMs: 100 }));
      const codes = await Promise.all(more.map((one) => one.catch(({ code }: BusbarError) => code)));
      test.check.equal(new Set(codes), new Set(['TIMEOUT']), 'results of twenty more');
      await test.until('their handlers too', () => begun === ended);
      test.check.between((await replyQueues(test)).length, 0, queues.length, 'reply queues after twenty more');
      test.check.equal(await requester.request('@service', 'quick', null, LONG_TIMEOUT), 'here', 'the next response');
    },
  },
  {
    id: 'R4',
    title: 'a request without a responder fails at once, not after its time-out',
    rules: ['RA1'],
    smoke: true,
    async run(test) {
      const { requester, service } = await openPair(test);
      const gone = await test.agent('@gone');
      await gone.close();
      await test.agent('@silent', { presence: false });
      service.handle('known', () => true);
      await requester.request('@service', 'known', null, LONG_TIMEOUT);
      const began = performance.now();
      for (const [what, to, type] of [
        ['an unknown agent', '@nobody', 'any'],
        ['an agent that went offline', '@gone', 'any'],
        ['an agent that only has a mailbox', '@silent', 'any'],
        ['a type without a handler', '@service', 'unknown'],
        ['a capability without an agent', { capability: 'none' }, 'any'],
      ] as const) {
        const error = await test.check.rejects(requester.request(to, type, null, LONG_TIMEOUT), 'NO_RESPONDER', what);
        test.check.equal(error.outcome, 'failed', `outcome for ${what}`);
      }
      test.check.between(performance.now() - began, 0, 8_000, 'five requests without a responder took');
    },
  },
  {
    id: 'R5',
    title: 'an error of a handler is returned as HANDLER_FAILED with the original error as its cause',
    rules: ['RA1'],
    smoke: true,
    async run(test) {
      const { requester, service } = await openPair(test);
      for (const [type, thrown] of Object.entries(THROWN)) {
        service.handle(type, () => {
          throw thrown;
        });
      }
      service.handle('stream', async function* () {
        yield 'a part';
        throw new TypeError('torn');
      });
      for (const [type, name, message] of TOLD) {
        const request = requester.request('@service', type, null, LONG_TIMEOUT);
        const error = await test.check.rejects(request, 'HANDLER_FAILED', type);
        const { cause } = error as { cause?: unknown };
        test.check.ok(cause instanceof Error, `the cause of ${type} is an error`);
        const { name: had, message: said } = cause as Error;
        test.check.equal(had, name, `name of the error thrown by ${type}`);
        test.check.ok(said.includes(message), `${type} says ${message}: ${said}`);
        if (type === 'own') test.check.equal((cause as BusbarError).code, 'CONFLICT', 'code of a BusbarError');
      }
    },
  },
  {
    id: 'R6',
    title: 'a late response is dropped and never reaches the next request',
    rules: ['RA1'],
    async run(test) {
      const { requester, service } = await openPair(test);
      const gates = new Map<string, PromiseWithResolvers<void>>();
      const [begun, responded] = [new Set<string>(), new Set<string>()];
      service.handle<string>('hold', async ({ body }) => {
        begun.add(body);
        await gates.get(body)?.promise;
        responded.add(body);
        return body;
      });
      for (let round = 0; round < 6; round += 1) {
        const [late, next] = [`late ${round}`, `next ${round}`];
        for (const body of [late, next]) gates.set(body, Promise.withResolvers());
        const leave = new AbortController();
        const bounds = round === 0 ? { timeoutMs: 1_000 } : { ...LONG_TIMEOUT, signal: leave.signal };
        const first = requester.request('@service', 'hold', late, bounds);
        const refusal = test.check.rejects(first, ['TIMEOUT', 'ABORTED'], 'a delayed response');
        await test.until('it is handled', () => begun.has(late));
        leave.abort();
        await refusal;
        const second = requester.request('@service', 'hold', next, LONG_TIMEOUT);
        gates.get(late)?.resolve();
        await test.until('the late response was sent', () => responded.has(late) && begun.has(next));
        gates.get(next)?.resolve();
        test.check.equal(await second, next, 'the response to the next request');
      }
    },
  },
  {
    id: 'R8',
    title: 'an abort signal ends a request and its handler at once; an already aborted signal sends nothing',
    rules: ['RA1'],
    async run(test) {
      const { requester, service } = await openPair(test);
      const contexts: Context[] = [];
      service.handle('slow', async (_message, context) => {
        contexts.push(context);
        await untilFired(context.signal);
      });
      service.handle('quick', () => 'here');
      const abort = new AbortController();
      const began = performance.now();
      const request = requester.request('@service', 'slow', null, { ...LONG_TIMEOUT, signal: abort.signal });
      const refusal = test.check.rejects(request, 'ABORTED', 'an aborted request');
      await test.until('the handler is running', () => contexts.length === 1);
      abort.abort(new Error('enough'));
      await refusal;
      test.check.between(performance.now() - began, 0, 5_000, 'the abort took');
      await test.until('the handler is aborted', () => contexts[0]?.signal.aborted);
      const late = requester.request('@service', 'slow', null, { ...LONG_TIMEOUT, signal: abort.signal });
      const error = await test.check.rejects(late, 'ABORTED', 'a request with an aborted signal');
      test.check.equal(error.outcome, 'failed', 'outcome of an unsent request');
      test.check.equal(await requester.request('@service', 'quick', null, LONG_TIMEOUT), 'here', 'the next response');
      await waitUntil(test, performance.now() + 100);
      test.check.equal(contexts.length, 1, 'requests that reached the handler');
    },
  },
]);

const THROWN: Readonly<Record<string, unknown>> = {
  error: new Error('broke'),
  'type-error': new TypeError('of undefined'),
  rejected: new RejectError('unwanted'),
  own: new BusbarError('CONFLICT', 'twice', { hint: 'Do it once.' }),
  text: 'just text',
  nothing: undefined,
};

/** By type: the name of the cause and a part of its message. */
const TOLD: readonly (readonly [type: string, name: string, message: string])[] = [
  ['error', 'Error', 'broke'],
  ['type-error', 'TypeError', 'of undefined'],
  ['rejected', new RejectError('').name, 'unwanted'],
  ['own', 'BusbarError', 'twice'],
  ['text', 'Error', 'just text'],
  ['nothing', 'Error', 'undefined'],
  ['stream', 'TypeError', 'torn'],
];

function withoutTime({ timeoutMs, ...rest }: { readonly timeoutMs: number }): object {
  return rest;
}

/** Handlers that hold each call until `open`, and count those that run. */
class Gate {
  running = 0;
  most = 0;
  readonly #opened = Promise.withResolvers<void>();

  async pass(): Promise<void> {
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    await this.#opened.promise;
    this.running -= 1;
  }

  /** Opens it once as many as may have had the time to begin. */
  async open(test: TestContext): Promise<void> {
    await test.until('three run', () => this.running >= 3);
    await waitUntil(test, performance.now() + 300);
    this.#opened.resolve();
  }
}

const NINE = Array.from({ length: 9 }, (_, index) => index);

async function assertRequestLimit(test: TestContext): Promise<void> {
  const [requester, service] = [await test.agent('@requester'), await test.agent('@service', { maxConcurrent: 3 })];
  let gate = new Gate();
  service.handle<number>('work', async ({ body }) => {
    await gate.pass();
    return body;
  });
  for (let round = 0; round < 2; round += 1) {
    gate = new Gate();
    const responses = Promise.all(NINE.map((n) => requester.request('@service', 'work', n, LONG_TIMEOUT)));
    await gate.open(test);
    test.check.equal(await responses, NINE, 'responses');
    test.check.equal(gate.most, 3, 'requests at a time');
  }
}

/** An agent that can be asked in several ways limits its requests itself. So the calls of the transport are tried, too. */
async function assertCallLimit(test: TestContext, calls: Calls): Promise<void> {
  const caller = (await test.open()).calls;
  let gate = new Gate();
  await using _service = await calls.serve('limited', { max: 3 }, async function* () {
    await gate.pass();
    yield { body: Uint8Array.of(1) };
  });
  for (let round = 0; round < 2; round += 1) {
    gate = new Gate();
    const replies = Promise.all(NINE.map(() => firstReply(caller?.call('limited', { body: Uint8Array.of(0) }))));
    await gate.open(test);
    test.check.equal(await replies, Array(9).fill(1), 'replies');
    test.check.equal(gate.most, 3, 'calls at a time');
  }
}

async function replyQueues(test: TestContext): Promise<readonly unknown[]> {
  return (await test.transport()).admin.queues({ prefix: '$reply.' });
}
