// Random operations whose outcome does not depend on time.
import type { KvChange, MessageInput, Settlement, TopicEvent } from '@busbar/api/transport';
import fc from 'fast-check';
import type { System } from './system.ts';

/** An operation and its result. */
export interface Operation {
  readonly what: string;
  /** True if its effect continues after it resolves and must end before the next operation. */
  readonly inSteps?: boolean;
  run(system: System): Promise<unknown>;
}

const HOUR_MS = 3_600_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const queue = fc.constantFrom('one', 'two', 'two.more');
const topic = fc.constantFrom('news', 'news.sport', 'news.sport.local');
const pattern = fc.constantFrom('news', 'news.*', 'news.>', '*.sport', '>');
const key = fc.constantFrom('a', 'ab', 'b', 'ä');
const id = fc.constantFrom('i1', 'i2', 'i3', 'i4', 'i5', 'i6', 'i7', 'i8');
const back = fc.nat(5);
const ids = fc.array(id, { maxLength: 3 });
const state = fc.constantFrom(undefined, 'ready', 'delayed', 'leased', 'dead');

/** Fields that histories of a store do without, since it declares other behaviour of them. */
export type Omitted = 'orderingKey' | 'priority' | 'maxLength';

/** A random operation, shown by its description. */
export function operationWithout(...omitted: readonly Omitted[]): fc.Arbitrary<Operation> {
  const message = messageWithout(omitted);
  const any: fc.Arbitrary<Operation> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(queue, fc.array(message, { minLength: 1, maxLength: 4 }), fc.boolean()).map(send),
    },
    { weight: 6, arbitrary: fc.tuple(queue, fc.integer({ min: 1, max: 3 })).map(receive) },
    { weight: 6, arbitrary: fc.tuple(back, settlement()).map(settle) },
    { weight: 1, arbitrary: fc.tuple(queue, settingsWithout(omitted)).map(configure) },
    { weight: 3, arbitrary: fc.tuple(topic, fc.array(message, { minLength: 1, maxLength: 3 })).map(publish) },
    { weight: 2, arbitrary: fc.tuple(queue, pattern, fc.boolean()).map(bind) },
    { weight: 1, arbitrary: fc.tuple(queue, pattern).map(unbind) },
    { weight: 1, arbitrary: pattern.map(history) },
    { weight: 4, arbitrary: fc.tuple(key, fc.string(), fc.option(back, { nil: undefined })).map(put) },
    { weight: 1, arbitrary: fc.tuple(key, fc.option(back, { nil: undefined })).map(remove) },
    { weight: 1, arbitrary: fc.constantFrom('', 'a', 'b', 'c').map(list) },
    { weight: 1, arbitrary: fc.tuple(queue, state).map(browse) },
    { weight: 1, arbitrary: fc.tuple(queue, fc.option(ids, { nil: undefined })).map(redrive) },
    { weight: 1, arbitrary: fc.tuple(queue, fc.constantFrom('ready', 'delayed', 'dead')).map(purge) },
    { weight: 1, arbitrary: fc.tuple(queue, ids).map(cancel) },
    { weight: 1, arbitrary: fc.tuple(queue, ids, fc.constantFrom(0, HOUR_MS)).map(reschedule) },
    { weight: 1, arbitrary: queue.map(deleteQueue) },
    { weight: 1, arbitrary: fc.constant({ what: 'another client', run: (system: System) => system.changeClient() }) },
  );
  return any.map((one) => ({ ...one, [fc.toStringMethod]: () => one.what }));
}

function messageWithout(omitted: readonly Omitted[]): fc.Arbitrary<MessageInput> {
  return fc.record(
    {
      id,
      body: fc.uint8Array({ maxLength: 8 }),
      headers: fc.dictionary(fc.constantFrom('x', 'y-z'), fc.string({ unit: 'grapheme', maxLength: 4 }), {
        maxKeys: 2,
      }),
      type: fc.constantFrom('note', 'task'),
      delayMs: fc.constantFrom(0, HOUR_MS, 2 * HOUR_MS),
      ttlMs: fc.constant(10 * HOUR_MS),
      maxAttempts: fc.integer({ min: 1, max: 3 }),
      ...(!omitted.includes('priority') && { priority: fc.nat(9) }),
      ...(!omitted.includes('orderingKey') && { orderingKey: fc.constantFrom('k1', 'k2') }),
    },
    { requiredKeys: ['body'] },
  );
}

/** The counts of each queue. */
export async function counts({ transport }: System): Promise<string> {
  const queues = await transport.admin.queues();
  return queues.map(({ name, ready, delayed, leased }) => `${name} ${ready} ${delayed} ${leased}`).join();
}

/** The visible state of a system at the end of a history. */
export async function everything({ transport }: System): Promise<unknown> {
  const queues = await transport.admin.queues();
  const browsed = await Promise.all(queues.map(({ name }) => browse([name, undefined]).run({ transport } as System)));
  const bindings = await transport.admin.bindings();
  const entries = await transport.kv.list('');
  return {
    queues: queues.map(({ oldestAgeMs: _, ...info }) => info),
    browsed,
    bindings: bindings.map(({ queue: name, pattern: on }) => `${name} ${on}`).sort(),
    topics: (await transport.admin.topics()).map(({ name, events }) => `${name} ${events}`),
    entries: entries.map((entry) => `${entry.key} ${decoder.decode(entry.value)}`),
  };
}

function settingsWithout(omitted: readonly Omitted[]): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(
    {
      maxAttempts: fc.integer({ min: 1, max: 3 }),
      frozen: fc.boolean(),
      ...(!omitted.includes('maxLength') && { maxLength: fc.integer({ min: 1, max: 6 }) }),
    },
    { requiredKeys: [] },
  );
}

function settlement(): fc.Arbitrary<Omit<Settlement, 'receipt'>> {
  return fc.oneof(
    fc.constantFrom({ action: 'ack' as const }, { action: 'release' as const }, { action: 'extend' as const }),
    fc.record({ action: fc.constant('retry' as const), delayMs: fc.constantFrom(0, HOUR_MS), reason: fc.string() }),
    fc.record({ action: fc.constant('reject' as const), reason: fc.string() }),
  );
}

function send([to, messages, create]: [string, MessageInput[], boolean]): Operation {
  return {
    what: `send to ${to}${create ? '' : ', not creating it,'} ${messages.map(shown).join(' ')}`,
    run: async ({ transport }) => statuses(await transport.queues.send(to, messages, { create }), messages),
  };
}

function publish([on, messages]: [string, MessageInput[]]): Operation {
  return {
    what: `publish on ${on} ${messages.map(shown).join(' ')}`,
    run: async ({ transport }) => statuses(await transport.topics.publish(on, messages), messages),
  };
}

/** Generated ids differ between transports. */
function statuses(
  results: readonly { readonly id: string; readonly status: string; readonly error?: { readonly code: string } }[],
  messages: readonly MessageInput[],
): unknown {
  return results.map((result, index) => {
    const own = messages[index]?.id;
    return [own === undefined ? 'made' : result.id, result.status, result.error?.code];
  });
}

function receive([from, max]: [string, number]): Operation {
  return {
    what: `receive ${max} from ${from}`,
    async run(system) {
      const deliveries = await system.transport.queues.receive(from, { max });
      system.deliveries.push(...deliveries);
      return deliveries.map(({ queue: name, attempt, ...message_ }) => [name, attempt, seen(message_)]);
    },
  };
}

function settle([which, verdict]: [number, Omit<Settlement, 'receipt'>]): Operation {
  return {
    what: `${JSON.stringify(verdict)} delivery ${which} from the end`,
    async run(system) {
      const receipt = system.delivery(which)?.receipt ?? 'none';
      const [result] = await system.transport.queues.settle([{ ...verdict, receipt } as Settlement]);
      return result?.status;
    },
  };
}

function configure([name, to]: [string, Record<string, unknown>]): Operation {
  return {
    what: `configure ${name} ${JSON.stringify(to)}`,
    run: ({ transport }) => transport.queues.configure(name, { leaseMs: 12 * HOUR_MS, ...to }),
  };
}

function bind([name, on, fromStart]: [string, string, boolean]): Operation {
  return {
    what: `bind ${name} to ${on}${fromStart ? ' from the start' : ''}`,
    inSteps: fromStart,
    run: ({ transport }) => transport.topics.bind(name, on, { from: fromStart ? 'start' : 'new' }),
  };
}

function unbind([name, on]: [string, string]): Operation {
  return { what: `unbind ${name} from ${on}`, run: ({ transport }) => transport.topics.unbind(name, on) };
}

/** The history ends with an event published after the subscription opens. */
function history(on: string): Operation {
  return {
    what: `read the history of ${on}`,
    async run({ transport }) {
      const events: TopicEvent[] = [];
      let last = '';
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      const look = (): void => {
        if (events.some((event) => event.id === last)) resolve();
      };
      const subscription = await transport.topics.subscribe(on, { from: 'start' }, (batch) => {
        events.push(...batch);
        look();
      });
      const [result] = await transport.topics.publish(on.replace(/[*>]/, 'sport'), [{ body: new Uint8Array() }]);
      last = result?.id ?? '';
      look();
      await ended;
      await subscription.close();
      return events.map((event) => [event.topic, seen(event)]);
    },
  };
}

function put([name, text, revisionBack]: [string, string, number | undefined]): Operation {
  return {
    what: `put ${name}${revisionBack === undefined ? '' : ` if revision ${revisionBack} from the end`}`,
    async run(system) {
      const options = revisionBack === undefined ? {} : { ifRevision: system.revision(name, revisionBack) };
      const result = await system.transport.kv.put(name, encoder.encode(text), options);
      if (result.status === 'conflict') return ['conflict', result.current && decoder.decode(result.current.value)];
      const rank = system.noteRevision(name, result.revision);
      return ['stored', rank, result.revision === result.createRevision];
    },
  };
}

function remove([name, revisionBack]: [string, number | undefined]): Operation {
  return {
    what: `delete ${name}`,
    run: (system) =>
      system.transport.kv.delete(
        name,
        revisionBack === undefined ? {} : { ifRevision: system.revision(name, revisionBack) },
      ),
  };
}

function list(prefix: string): Operation {
  return {
    what: `list ${prefix}`,
    async run({ transport }) {
      const found: string[] = [];
      const { promise: synced, resolve } = Promise.withResolvers<void>();
      const watch = await transport.kv.watch(prefix, (changes: readonly KvChange[]) => {
        for (const change of changes) {
          if (change.kind === 'put') found.push(change.entry.key);
          if (change.kind === 'synced') resolve();
        }
      });
      await synced;
      await watch.close();
      const listed = (await transport.kv.list(prefix)).map((entry) => [entry.key, decoder.decode(entry.value)]);
      return { listed, found: found.sort() };
    },
  };
}

function browse([name, state]: [string, string | undefined]): Operation {
  return {
    what: `browse ${name} ${state ?? ''}`,
    async run({ transport }) {
      const { messages } = await transport.admin.browse(name, state === undefined ? {} : ({ state } as object));
      const all = messages.map(({ message: stored, state: is, attempts, dead, history: ended }) => ({
        message: seen(stored),
        is,
        attempts,
        dead: dead?.reason,
        history: ended.map(({ attempt, outcome, reason }) => [attempt, outcome, reason]),
      }));
      // No order is promised among blocked messages of a key, leased messages and messages due together.
      const inOrder = messages.map(({ message: { orderingKey }, state: is }) => !orderingKey && /ready|dead/.test(is));
      return {
        ordered: all.filter((_, index) => inOrder[index]),
        others: all
          .filter((_, index) => !inOrder[index])
          .map((entry) => JSON.stringify(entry))
          .sort(),
      };
    },
  };
}

function redrive([name, ids]: [string, string[] | undefined]): Operation {
  return {
    what: `redrive ${name}`,
    run: ({ transport }) => transport.admin.redrive(name, ids === undefined ? {} : { ids }),
  };
}

function purge([name, state]: [string, string]): Operation {
  return {
    what: `purge ${state} of ${name}`,
    run: ({ transport }) => transport.admin.purge(name, { state: state as 'dead' }),
  };
}

function cancel([name, ids]: [string, string[]]): Operation {
  return { what: `cancel in ${name}`, run: ({ transport }) => transport.admin.cancel(name, ids) };
}

function reschedule([name, ids, delayMs]: [string, string[], number]): Operation {
  return { what: `reschedule in ${name}`, run: ({ transport }) => transport.admin.reschedule(name, ids, delayMs) };
}

function deleteQueue(name: string): Operation {
  return { what: `delete ${name}`, run: ({ transport }) => transport.admin.deleteQueue(name) };
}

function shown({ body: _, ...fields }: MessageInput): string {
  return JSON.stringify(fields);
}

/** The part of a message that must be equal in both systems. */
function seen(message_: object): unknown {
  const { id: own, body, headers, type, priority, orderingKey } = message_ as Record<string, unknown>;
  const given = typeof own === 'string' && /^i\d$/.test(own) ? own : 'made';
  return { id: given, body: [...(body as Uint8Array)], headers, type, priority, orderingKey };
}
