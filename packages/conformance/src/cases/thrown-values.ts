/** Errors: handlers that throw values of every kind. */

import { type Agent, type Bus, BusbarError, type BusbarError as Reported } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { deadLetters } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

/** Values that a program can throw, and a part of the text that must arrive. */
const THROWN: readonly (readonly [name: string, make: () => unknown, text: string])[] = [
  ['an error', () => new Error('disk full'), 'disk full'],
  ['an error with a list as message', () => withMessage(['name must be a string']), 'name must be a string'],
  ['an error with an object as message', () => withMessage({ field: 'name' }), '{"field":"name"}'],
  ['an error with a symbol as message', () => withMessage(Symbol('odd message')), 'odd message'],
  ['an error whose message throws', () => withThrowing('message'), 'Error'],
  ['an error whose name throws', () => withThrowing('name'), 'has a getter'],
  ['an error that is its own cause', selfCaused, 'circular'],
  [
    'an error whose cause says why',
    () => new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }),
    'ECONNREF',
  ],
  ['a frozen error', () => Object.freeze(new Error('frozen')), 'frozen'],
  ['many errors', () => new AggregateError([new Error('first'), new Error('other')], 'both'), 'both: first; other'],
  ['an error of Busbar', () => new BusbarError('CONFLICT', 'busy'), 'busy'],
  ['a long text', () => new Error('x'.repeat(200_000)), 'xxx...'],
  ['a lone surrogate', () => new Error('half \ud83d'), 'half \ufffd'],
  ['an object with code and message', () => ({ code: 'PGRST116', message: 'no rows' }), 'PGRST116: no rows'],
  ['an object with a number as code', () => ({ code: 404, message: 'no rows' }), '404: no rows'],
  ['an error with a code', () => withCode(new Error('duplicate key'), '23505'), '23505: duplicate key'],
  ['an error of a class with a code', () => withCode(new RangeError('no space'), 28), '28: no space'],
  ['an error with only a code', () => withCode(new Error(''), 'E_ONLY_CODE'), 'E_ONLY_CODE'],
  ['an error whose cause is a text', () => new Error('no table', { cause: 'migration 7' }), 'no table: migration 7'],
  [
    'an error whose cause is an object',
    () => new Error('no answer', { cause: { code: 503, message: 'busy', cause: { retryInMs: 5 } } }),
    'no answer: 503: busy: {"retryInMs":5}',
  ],
  ['an object without a message', () => ({ status: 503 }), '{"status":503}'],
  ['an object without a prototype', () => Object.create(null) as unknown, '[object Object]'],
  ['a text', () => 'just text', 'just text'],
  ['undefined', () => undefined, 'undefined'],
  ['null', () => null, 'null'],
  ['a number', () => Number.NaN, 'NaN'],
  ['a BigInt', () => 7n, '7'],
  ['a symbol', () => Symbol('odd'), 'Symbol(odd)'],
  ['a function', () => function thrown() {}, 'function'],
  ['a rejected promise', () => Promise.reject(new Error('inside')), 'a promise was thrown'],
  ['rejected promises', () => [1, 2].map(async () => refuse()), '[{},{}]'],
  ['an object with rejected promises', () => ({ message: later(), other: { again: later() } }), '[object Promise]'],
  ['an error with a promise in its cause', () => new Error('late', { cause: { inner: [later()] } }), 'late'],
  ['an error of errors with promises', () => new AggregateError([{ inner: later() }, later()], 'lists'), 'lists'],
  [
    'an object that can be awaited',
    () =>
      Object.fromEntries([
        ['message', 'thenable'],
        ['then', refuse],
      ]),
    'thenable',
  ],
  ['a proxy whose traps throw', hostileProxy, 'cannot be read'],
  ['a revoked proxy', revokedProxy, 'cannot be read'],
];

const MANY = { timeoutMs: 90_000 } as const;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Errors/bad input', ...MANY }, [
  {
    id: 'E13',
    title: 'whatever a handler of tasks, mail or events throws is one failed attempt, with as much text as can be read',
    rules: ['RQ5', 'RA1'],
    async run(test, transport) {
      const reported: Reported[] = [];
      const bus = await test.bus({ onError: ({ error }) => void reported.push(error) });
      const agent = await bus.agent('@thrower', { maxAttempts: 1 });
      agent.handle<number>('mail', ({ body }) => raise(body));
      await bus.process<number>('tasks', ({ body }) => raise(body), { maxAttempts: 1, concurrency: 2 });
      const seen = await subscribeBoth(bus);
      for (const index of [...THROWN.keys(), THROWN.length]) {
        await bus.send('@thrower', 'mail', index);
        await bus.enqueue('tasks', index);
        await bus.publish('thrown', index);
      }
      for (const queue of ['tasks', '$inbox.@thrower', '$sub.kept']) {
        const letters = await deadLetters(test, transport, queue, THROWN.length);
        const reasons = letters.map(({ dead }) => dead?.reason ?? '');
        for (const [name, , text] of THROWN) {
          test.check.ok(
            reasons.some((reason) => reason.includes(text)),
            `${name} in dead letters of ${queue}: ${text}`,
          );
        }
      }
      const areAllSeen = (): boolean => [seen.live, seen.kept].every((events) => events.length > THROWN.length);
      await test.until('all events are handled', areAllSeen);
      const counts = [seen.live.length, seen.kept.length];
      test.check.equal(
        counts,
        counts.map(() => THROWN.length + 1),
        'events of the live and the durable subscription',
      );
      await test.until('no handler runs', () => agent.load === 0);
      test.check.ok(reported.length >= THROWN.length * 4, 'failures reported');
      const last = await bus.enqueue('tasks', THROWN.length);
      test.check.equal(await last.result(LONG_TIMEOUT), 'fine', 'a task after them');
    },
  },
  {
    id: 'E14',
    title:
      'whatever a handler of requests throws reaches the requester as HANDLER_FAILED, and the next request is served',
    rules: ['RA1'],
    async run(test) {
      const service = await test.agent('@thrower', { maxConcurrent: 2, maxAttempts: 1 });
      service.handle<number>('ask', ({ body }) => raise(body));
      const requester = await test.agent('@requester');
      for (const durable of [false, true]) {
        for (const [index, [name, , text]] of THROWN.entries()) {
          const error = await failureOf(test, requester, index, durable);
          test.check.ok(error?.message.includes(text), `${name}: ${error?.message.slice(0, 80)}`);
          test.check.ok((error?.message.length ?? 0) < 2_200, `${name}: the length of its text`);
        }
        const fine = await requester.request('@thrower', 'ask', THROWN.length, { ...LONG_TIMEOUT, durable });
        test.check.equal(fine, 'fine', 'a request after them');
      }
    },
  },
  {
    id: 'E15',
    title: 'a RejectError of another copy of the package makes a dead letter at once',
    rules: ['RQ5'],
    async run(test, transport) {
      const bus = await test.bus();
      let runs = 0;
      await bus.process('tasks', () => {
        runs += 1;
        throw Object.assign(new Error('never again'), { name: 'RejectError', [Symbol.for('busbar.reject')]: true });
      });
      await bus.enqueue('tasks', 1);
      const [letter] = await deadLetters(test, transport, 'tasks', 1);
      test.check.equal([runs, letter?.attempts, letter?.dead?.reason], [1, 1, 'never again'], 'runs, attempts, reason');
    },
  },
]);

/** Throws the value with this index; beyond the last one it returns. */
function raise(index: number): string {
  const thrown = THROWN[index];
  if (thrown === undefined) return 'fine';
  throw thrown[1]();
}

async function subscribeBoth(bus: Bus): Promise<{ readonly live: number[]; readonly kept: number[] }> {
  const seen = { live: [] as number[], kept: [] as number[] };
  const take = (to: number[]) => (event: { readonly body: number }) => {
    to.push(event.body);
    raise(event.body);
  };
  await bus.subscribe<number>('thrown', take(seen.live));
  await bus.subscribe<number>('thrown', take(seen.kept), { durableName: 'kept', maxAttempts: 1 });
  return seen;
}

async function failureOf(test: TestContext, requester: Agent, index: number, durable: boolean) {
  const asking = requester.request('@thrower', 'ask', index, { ...LONG_TIMEOUT, durable });
  return test.check.rejects(asking, 'HANDLER_FAILED', `${THROWN[index]?.[0]}, durable: ${durable}`);
}

function withMessage(message: unknown): unknown {
  return Object.assign(new Error('400'), { message });
}

function withCode(error: Error, code: unknown): unknown {
  return Object.assign(error, { code });
}

function withThrowing(key: string): unknown {
  return Object.defineProperty(new Error('has a getter'), key, {
    get() {
      throw new Error('from a getter');
    },
  });
}

function selfCaused(): unknown {
  const error = new Error('circular');
  error.cause = error;
  return error;
}

function refuse(): never {
  throw new Error('then throws');
}

async function later(): Promise<void> {
  refuse();
}

function hostileProxy(): unknown {
  const trap = (): never => {
    throw new Error('from a trap');
  };
  return new Proxy({}, { get: trap, has: trap, ownKeys: trap, getPrototypeOf: trap, getOwnPropertyDescriptor: trap });
}

function revokedProxy(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
