/** Every operation of a transport as a call with valid arguments. */

import type { CallOptions, Feature, Transport } from '@busbar/api/transport';

/** One operation. */
export interface Operation {
  /** The name of the operation in errors. */
  readonly name: string;
  /** The feature that the operation needs. */
  readonly feature?: Feature;
  /** True if it works while the transport closes, such as settling and releasing. */
  readonly whileClosing?: boolean;
  /** True if it has no time-out. */
  readonly untimed?: boolean;
  call(transport: Transport, bounds?: CallOptions): Promise<unknown>;
}

/** Names that the operations use. */
export const OPERATION_NAMES = { queue: 'operated', topic: 'operated.on', key: 'operated/key' } as const;

const { queue, topic, key } = OPERATION_NAMES;
const value = Uint8Array.of(1);
const message = { body: value };

/** All operations but `close`. */
export const OPERATIONS: readonly Operation[] = [
  { name: 'queues.send', call: ({ queues }, bounds) => queues.send(queue, [message], bounds) },
  { name: 'queues.receive', untimed: true, call: ({ queues }, bounds) => queues.receive(queue, signalOf(bounds)) },
  {
    name: 'queues.settle',
    whileClosing: true,
    call: ({ queues }, bounds) => queues.settle([{ receipt: 'unknown', action: 'ack' }], bounds),
  },
  { name: 'queues.configure', call: ({ queues }, bounds) => queues.configure(queue, {}, bounds) },
  { name: 'topics.publish', call: ({ topics }, bounds) => topics.publish(topic, [message], bounds) },
  { name: 'topics.subscribe', call: ({ topics }, bounds = {}) => topics.subscribe(topic, bounds, () => undefined) },
  { name: 'topics.bind', call: ({ topics }, bounds) => topics.bind(queue, topic, bounds) },
  { name: 'topics.unbind', call: ({ topics }, bounds) => topics.unbind(queue, topic, bounds) },
  { name: 'kv.get', call: ({ kv }, bounds) => kv.get(key, bounds) },
  { name: 'kv.put', call: ({ kv }, bounds) => kv.put(key, value, bounds) },
  {
    name: 'kv.touch',
    whileClosing: true,
    call: ({ kv }, bounds) => kv.touch([{ key, ttlMs: 60_000 }], bounds),
  },
  { name: 'kv.delete', whileClosing: true, call: ({ kv }, bounds) => kv.delete(key, bounds) },
  { name: 'kv.list', call: ({ kv }, bounds) => kv.list('', bounds) },
  { name: 'kv.watch', call: ({ kv }, bounds) => kv.watch('', () => undefined, bounds) },
  { name: 'admin.queues', call: ({ admin }, bounds) => admin.queues(bounds) },
  { name: 'admin.topics', call: ({ admin }, bounds) => admin.topics(bounds) },
  { name: 'admin.bindings', call: ({ admin }, bounds) => admin.bindings(bounds) },
  { name: 'admin.browse', call: ({ admin }, bounds) => admin.browse(queue, bounds) },
  { name: 'admin.redrive', call: ({ admin }, bounds) => admin.redrive(queue, bounds) },
  { name: 'admin.purge', call: ({ admin }, bounds) => admin.purge(queue, { ...bounds, state: 'dead' }) },
  { name: 'admin.cancel', feature: 'cancel', call: ({ admin }, bounds) => admin.cancel(queue, ['unknown'], bounds) },
  {
    name: 'admin.reschedule',
    feature: 'cancel',
    call: ({ admin }, bounds) => admin.reschedule(queue, ['unknown'], 0, bounds),
  },
  { name: 'admin.deleteQueue', call: ({ admin }, bounds) => admin.deleteQueue(queue, bounds) },
  { name: 'admin.clear', call: ({ admin }, bounds) => admin.clear(bounds) },
  {
    name: 'admin.exportState',
    feature: 'exportState',
    untimed: true,
    call: ({ admin }, bounds) => collect(admin.exportState(bounds)),
  },
  { name: 'admin.importState', feature: 'exportState', call: ({ admin }, bounds) => admin.importState([], bounds) },
  { name: 'admin.gate', feature: 'gate', call: ({ admin }, bounds) => admin.gate(bounds) },
  {
    name: 'admin.setGate',
    feature: 'gate',
    call: ({ admin }, bounds) => admin.setGate('open', { ...bounds, ifRevision: 0 }),
  },
];

/** The operations of `calls`, if the transport has it. */
export const CALL_OPERATIONS: readonly Operation[] = [
  {
    name: 'calls.serve',
    feature: 'calls',
    untimed: true,
    call: async ({ calls }) => calls?.serve(queue, {}, async function* () {}),
  },
  {
    name: 'calls.call',
    feature: 'calls',
    call: async ({ calls }, bounds) => calls && collect(calls.call(queue, message, bounds)),
  },
];

/** The operations that `transport` supports. */
export function operationsOf({ capabilities: { features } }: Transport): readonly Operation[] {
  return [...OPERATIONS, ...CALL_OPERATIONS].filter(({ feature }) => feature === undefined || features[feature]);
}

/** Collects all items. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function signalOf({ signal }: CallOptions = {}): CallOptions {
  return signal === undefined ? {} : { signal };
}
