/** Headers: internal headers of the bus, and headers passed on from message to message. */

import type { Bus, Middleware, ReceivedMessage } from '@busbar/api';
import type { Headers } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { receiveOne } from '../steps/consuming.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Headers' }, [
  {
    id: 'H6',
    title: 'headers of the bus and of the backend are never visible, and cannot be set by a user',
    rules: ['RA4', 'RA1'],
    smoke: true,
    async run(test) {
      const [bus, other, transport] = [await test.bus(), await test.bus(), await test.transport()];
      const seen = await seeHeaders(other);
      const sender = await bus.agent('@sender');
      const verbs = verbsOf(bus, sender);
      for (const headers of [{ trace: 'abc' }, undefined]) {
        seen.clear();
        for (const send of Object.values(verbs)) await send(headers);
        await test.until('all to arrive', () => seen.size === 6);
        for (const [verb, got] of seen) test.check.equal({ ...got }, { ...headers }, `headers of ${verb}`);
      }
      for (const [verb, send] of Object.entries(verbs))
        for (const name of ['bus-seq', 'bus-kind', 'bus-anything'])
          await test.check.rejects(send({ [name]: '1' }), 'INVALID_ARGUMENT', `${name} by ${verb}`);
      const letters = async () => (await bus.deadLetters('doomed').browse()).messages;
      await test.until('both dead letters', async () => (await letters()).length === 2);
      const dead = (await letters()).map((letter) => ({ ...letter.headers }));
      test.check.equal(dead, [{ trace: 'abc' }, {}], 'headers of dead letters');
      await test.send(transport, 'raw', [{ body: Uint8Array.of(1), headers: { own: 'x' } }]);
      const raw = { ...(await receiveOne(test, transport, 'raw')).headers };
      test.check.equal(raw, { own: 'x' }, 'headers of the backend');
    },
  },
  {
    id: 'H7',
    title: 'handlers pass on causation, hops, correlation ids and trace headers',
    rules: ['RA4'],
    async run(test) {
      const steps: ReceivedMessage[] = [];
      const tracing = traced(steps);
      const open = async (name: string) => (await test.bus({ middleware: [tracing] })).agent(name);
      const [first, second, third] = [await open('@first'), await open('@second'), await open('@third')];
      second.handle('relay', async ({ correlationId = '' }, context) => {
        await context.send('@third', 'mail', 'on', { correlationId });
        await context.enqueue('tasks', 'on', { correlationId });
        return context.request('@third', 'ask', 'on', { ...LONG_TIMEOUT, correlationId });
      });
      third.handle('mail', () => undefined).handle('ask', () => 'responded');
      const worker = await test.bus({ middleware: [tracing] });
      await worker.process('tasks', () => undefined);
      const options = { ...LONG_TIMEOUT, correlationId: 'order-7', headers: { traceparent: '00-trace-1' } };
      test.check.equal(await first.request('@second', 'relay', 'go', options), 'responded', 'the response');
      await test.until('all steps', () => steps.length === 4);
      const [relay, ...rest] = steps;
      for (const step of steps) {
        test.check.equal(step.correlationId, 'order-7', `correlation id of ${step.type ?? 'the task'}`);
        test.check.equal(step.headers['traceparent'], '00-trace-1', `trace of ${step.type ?? 'the task'}`);
      }
      test.check.equal([relay?.hops, relay?.causationId, relay?.from], [0, undefined, '@first'], 'the first step');
      for (const { hops, causationId } of rest) test.check.equal([hops, causationId], [1, relay?.id], 'further steps');
    },
  },
]);

/** Records the headers that the handlers of `bus` see, by kind of handler. */
async function seeHeaders(bus: Bus): Promise<Map<string, Headers>> {
  const seen = new Map<string, Headers>();
  const see = (verb: string) => (received: { readonly headers: Headers }) => void seen.set(verb, received.headers);
  const receiver = await bus.agent('@receiver');
  receiver.handle('mail', see('mail')).handle('request', see('request')).handle('durable', see('durable request'));
  await bus.subscribe('live', see('event'));
  await bus.subscribe('kept', see('durable event'), { durableName: 'kept' });
  await bus.process('tasks', see('task'));
  await bus.process(
    'doomed',
    () => {
      throw new Error('doomed');
    },
    { maxAttempts: 1 },
  );
  return seen;
}

type Send = (headers: Headers | undefined) => Promise<unknown>;

/** One send for each kind of handler, with options that make the bus add its own headers. */
function verbsOf(bus: Bus, sender: Awaited<ReturnType<Bus['agent']>>): Readonly<Record<string, Send>> {
  const given = (headers: Headers | undefined) => (headers === undefined ? {} : { headers });
  return {
    mail: (headers) => sender.send('@receiver', 'mail', 1, { ...given(headers), maxAttempts: 3 }),
    request: (headers) => sender.request('@receiver', 'request', 1, { ...LONG_TIMEOUT, ...given(headers) }),
    'durable request': (headers) =>
      sender.request('@receiver', 'durable', 1, { ...LONG_TIMEOUT, ...given(headers), durable: true }),
    event: (headers) => bus.publish('live', 1, given(headers)),
    'durable event': (headers) => bus.publish('kept', 1, given(headers)),
    task: (headers) => bus.enqueue('tasks', 1, { ...given(headers), maxAttempts: 3 }),
    'doomed task': (headers) => bus.enqueue('doomed', 1, { ...given(headers), maxAttempts: 1 }),
  };
}

/** Middleware that records handled messages and passes their trace to messages sent meanwhile. */
function traced(steps: ReceivedMessage[]): Middleware {
  let trace: string | undefined;
  const add: NonNullable<Middleware['send']> = (outgoing, next) => {
    if (trace !== undefined) outgoing.headers['traceparent'] = trace;
    return next();
  };
  return {
    name: 'trace',
    send: add,
    enqueue: add,
    request: add,
    handle: (received, _context, next) => {
      steps.push(received);
      trace = received.headers['traceparent'];
      return next();
    },
  };
}
