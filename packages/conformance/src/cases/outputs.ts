/** What handlers return: generators, values of every size, and values that cannot be sent. */

import { type Bus, type BusbarError, defineRequest, type StandardSchema } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { fieldsOf } from '../steps/consuming.ts';
import { deadLetters } from '../steps/queue-view.ts';
import { LONG_TIMEOUT, untilFired } from '../steps/requesting.ts';

/** Accepts texts only. */
const texts: StandardSchema<string> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => (typeof value === 'string' ? { value } : { issues: [{ message: 'expected text' }] }),
  },
};

const requests: readonly ConformanceCase[] = defineCases({ group: 'Request/reply' }, [
  {
    id: 'R17',
    title: 'the signal of a handler has one reason on every backend, and `stats` shows no queue of plain requests',
    rules: ['RA1'],
    async run(test) {
      const [service, requester] = [await test.agent('@service'), await test.agent('@requester')];
      const reasons: string[] = [];
      service.handle('wait', async (_message, { signal }) => {
        await untilFired(signal);
        const { code, message } = signal.reason as BusbarError;
        reasons.push(`${code}: ${message}`);
      });
      const left = new AbortController();
      const asking = requester.request('@service', 'wait', null, { ...LONG_TIMEOUT, signal: left.signal });
      await test.until('the handler runs', () => service.load === 1);
      left.abort();
      await test.check.rejects(asking, 'ABORTED', 'an aborted request');
      await test.until('its handler is aborted', () => reasons.length === 1);
      await test.check.rejects(
        requester.request('@service', 'wait', null, { timeoutMs: 300 }),
        'TIMEOUT',
        'a late one',
      );
      await test.until('its handler is aborted, too', () => reasons.length === 2);
      const expected = ['ABORTED: the requester left', 'ABORTED: the requester left'];
      test.check.equal(reasons, expected, 'reasons of the signal');
      const { queues } = await (await test.bus()).stats();
      test.check.equal(fieldsOf(queues, 'name').sort(), ['$inbox.@requester', '$inbox.@service'], 'queues of stats');
    },
  },
  {
    id: 'R13',
    title: 'a response of the largest size arrives; one byte more is PAYLOAD_TOO_LARGE at both ends',
    rules: ['RA5', 'RA1'],
    timeoutMs: 60_000,
    async run(test) {
      const { maxBodyBytes } = test.capabilities;
      const reported: BusbarError[] = [];
      const bus = await test.bus({ onError: ({ error }) => void reported.push(error) });
      const [service, requester] = [await bus.agent('@service'), await test.agent('@requester')];
      let runs = 0;
      service.handle<number>('give', ({ body }) => {
        runs += 1;
        return new Uint8Array(body).fill(7);
      });
      for (const durable of [false, true]) {
        const options = { ...LONG_TIMEOUT, durable };
        const largest = await requester.request<Uint8Array>('@service', 'give', maxBodyBytes, options);
        test.check.equal([largest.byteLength, largest.at(-1)], [maxBodyBytes, 7], `the largest, durable: ${durable}`);
        runs = 0;
        const asking = requester.request('@service', 'give', maxBodyBytes + 1, options);
        const error = await test.check.rejects(asking, 'PAYLOAD_TOO_LARGE', `one byte more, durable: ${durable}`);
        test.check.equal([error.outcome, runs], ['unknown', 1], 'outcome, and runs of the handler');
        await test.until('it is reported', () => reported.some(isTooLarge));
        reported.length = 0;
        const after = await requester.request<Uint8Array>('@service', 'give', 1, options);
        test.check.equal(after.byteLength, 1, 'the next response');
      }
    },
  },
  {
    id: 'R14',
    title: 'a durable request whose response cannot be sent is handled once, and its requester gets HANDLER_FAILED',
    rules: ['RA1', 'RQ5'],
    async run(test) {
      const [service, requester] = [await test.agent('@service'), await test.agent('@requester')];
      const typed = defineRequest('typed', { response: texts });
      const runs = { nan: 0, typed: 0, yields: 0, promises: 0, both: 0 };
      const count = (what: keyof typeof runs, value: unknown): unknown => {
        runs[what] += 1;
        return value;
      };
      service.handle('nan', () => count('nan', Number.NaN));
      service.handle(typed, () => count('typed', 5) as string);
      service.handle('yields', function* () {
        yield count('yields', Number.NaN);
      });
      service.handle('promises', () => count('promises', { a: [1, 2].map(rejects), b: new Map([[1, rejects()]]) }));
      const both = defineRequest('both', { response: texts });
      service.handle(both, () => count('both', [1, 2].map(rejects)) as string);
      const durable = { ...LONG_TIMEOUT, durable: true };
      const asking = requester.request('@service', 'nan', null, durable);
      const error = await test.check.rejects(asking, 'HANDLER_FAILED', 'NaN as a response');
      test.check.ok(error.message.includes('NaN'), `the text of the error: ${error.message}`);
      await test.check.rejects(requester.request('@service', typed, null, durable), 'HANDLER_FAILED', 'another type');
      await test.check.rejects(requester.request('@service', 'yields', null, durable), 'HANDLER_FAILED', 'a part');
      const promises = requester.request('@service', 'promises', null, durable);
      await test.check.rejects(promises, 'HANDLER_FAILED', 'promises without await');
      await test.check.rejects(requester.request('@service', both, null, durable), 'HANDLER_FAILED', 'typed promises');
      const letters = await deadLetters(test, await test.transport(), '$inbox.@service', 5);
      test.check.equal(fieldsOf(letters, 'attempts'), [1, 1, 1, 1, 1], 'attempts of the requests');
      const once = { nan: 1, typed: 1, yields: 1, promises: 1, both: 1 };
      test.check.equal(runs, once, 'runs of the handlers');
    },
  },
]);

const tasks: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A25',
    title: 'generators run to their end as handlers of every kind, and are refused where they would not run',
    rules: ['RQ1', 'RA1'],
    async run(test, transport) {
      const [bus, ran] = [await test.bus(), [] as string[]];
      const note = (what: string): void => void ran.push(what);
      await bus.process('later', async function* () {
        yield 'half';
        await Promise.resolve();
        note('later');
        return 'async done';
      });
      await bus.process('now', function* () {
        yield 'half';
        note('now');
        return 'sync done';
      });
      const agent = await bus.agent('@agent');
      agent.handle('ask', function* () {
        yield 1;
        yield 2;
        return 'response';
      });
      agent.handle('mail', async function* () {
        yield 1;
        note('mail');
      });
      await bus.subscribe('live', async function* () {
        yield 1;
        note('live');
      });
      await bus.subscribe(
        'kept',
        function* () {
          yield 1;
          note('kept');
        },
        { durableName: 'kept' },
      );
      test.check.equal(await (await bus.enqueue('later')).result(LONG_TIMEOUT), 'async done', 'an asynchronous result');
      test.check.equal(await (await bus.enqueue('now')).result(LONG_TIMEOUT), 'sync done', 'a synchronous result');
      const parts: unknown[] = [];
      const stream = bus.requestStream('@agent', 'ask', null, LONG_TIMEOUT);
      for await (const part of stream) parts.push(part);
      test.check.equal([...parts, await stream.result], [1, 2, 'response'], 'parts and the response');
      await bus.send('@agent', 'mail');
      for (const topic of ['live', 'kept']) await bus.publish(topic);
      await test.until('all handlers ran', () => ran.length >= 5);
      test.check.equal(ran.toSorted(), ['kept', 'later', 'live', 'mail', 'now'], 'handlers that ran');
      const refused = generatorCalls(bus, transport);
      for (const [name, call] of Object.entries(refused)) await test.check.rejects(call(), 'INVALID_ARGUMENT', name);
    },
  },
  {
    id: 'A26',
    title: 'the result of a task arrives up to the limit of a body; a larger one makes a dead letter at once',
    rules: ['RA5', 'RQ5'],
    timeoutMs: 60_000,
    async run(test, transport) {
      const { maxBodyBytes } = test.capabilities;
      const [bus, other] = [await test.bus(), await test.bus()];
      let runs = 0;
      await bus.process<number>('tasks', ({ body }) => {
        runs += 1;
        return Uint8Array.from({ length: body }, (_, index) => (index * 31) % 251);
      });
      const sizes = [0, 61_440, 61_441, 200_000, maxBodyBytes];
      for (const size of sizes) {
        const { id } = await other.enqueue('tasks', size);
        const result = await other.task<Uint8Array>('tasks', id).result(LONG_TIMEOUT);
        test.check.equal(result.byteLength, size, 'bytes of the result');
        test.check.ok(
          result.every((byte, index) => byte === (index * 31) % 251),
          `the bytes of ${size}`,
        );
      }
      const large = await other.enqueue('tasks', maxBodyBytes + 1);
      const error = await test.check.rejects(large.result(LONG_TIMEOUT), 'HANDLER_FAILED', 'one byte more');
      test.check.ok(error.message.includes(`the limit is ${maxBodyBytes}`), `the text of the error: ${error.message}`);
      await deadLetters(test, transport, 'tasks', 1);
      test.check.equal([await large.status(), runs], ['dead', sizes.length + 1], 'status, and runs of the handler');
    },
  },
]);

export const cases: readonly ConformanceCase[] = [...requests, ...tasks];

/** Calls with a generator as a callback that nobody iterates. */
function generatorCalls(bus: Bus, transport: Transport): Record<string, () => Promise<unknown>> {
  const plain = function* (): Generator<number, never> {
    yield 1;
    throw new Error('it ran');
  };
  const late = async function* (): AsyncGenerator<number, never> {
    yield* plain();
    throw new Error('it ran');
  };
  return {
    lock: () => bus.lock('door', plain),
    watchAgents: () => bus.watchAgents(late as never),
    subscribe: () => transport.topics.subscribe('raw', {}, late as never),
    watch: () => transport.kv.watch('raw', plain as never),
    use: async () => bus.use({ handle: late as never }),
    batch: () => bus.process('batches', plain as never, { batch: { max: 2 } }),
    retry: () => bus.process('retries', () => undefined, { retry: plain as never }),
    events: async () => bus.events.on('sent', plain),
    onState: async () => transport.onState(late),
    onReset: async () => transport.onReset(plain),
    onFailure: async () => transport.onFailure(plain),
  };
}

async function rejects(): Promise<never> {
  throw new Error('nobody waits for it');
}

function isTooLarge(error: BusbarError): boolean {
  const cause = error.cause as { readonly cause?: unknown } | undefined;
  return [error, cause, cause?.cause].some((one) => (one as BusbarError | undefined)?.code === 'PAYLOAD_TOO_LARGE');
}
