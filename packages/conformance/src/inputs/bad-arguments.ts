/** Arguments of a wrong type: messages, options, handlers, receipts, positions. */

import type { CallOptions } from '@busbar/api/transport';
import { type BadInput, tried } from './bad-inputs.ts';
import { OPERATION_NAMES, OPERATIONS } from './operations.ts';

const body = Uint8Array.of(1);
const { queue, topic, key } = OPERATION_NAMES;
const control = 'a\u0001';

/** Illegal values for text fields of a message: bad strings and other types. */
const NO_TEXTS: readonly unknown[] = ['', control, 'a\u009f', '\ud800', null, 5, {}, ['a']];

const FIELDS: readonly (readonly [field: string, values: readonly unknown[]])[] = [
  [
    'body',
    [undefined, null, 'text', 5, [1], {}, new ArrayBuffer(1), new DataView(new ArrayBuffer(1)), [Uint8Array.of(1)]],
  ],
  ['id', [...NO_TEXTS, 'x'.repeat(513), 'é'.repeat(257)]],
  ['correlationId', [...NO_TEXTS, 'x'.repeat(513)]],
  ['causationId', [...NO_TEXTS, 'x'.repeat(513)]],
  ['contentType', [...NO_TEXTS, 'x'.repeat(256)]],
  ['type', [...NO_TEXTS, 'x'.repeat(256)]],
  ['from', [...NO_TEXTS, 'x'.repeat(256)]],
  ['to', [...NO_TEXTS, 'x'.repeat(256)]],
  ['orderingKey', [...NO_TEXTS, 'x'.repeat(256)]],
  ['prio', [1]],
  ['topic', ['a']],
];

/** Illegal values for a list of messages. */
const NO_MESSAGES: readonly unknown[] = [
  ...[undefined, null, 'text', 5, {}, { body }, new Set([{ body }])],
  ...[[null], [undefined], [5], ['text'], [[]], [{}], [{ body }, null], Array(10_001).fill({ body })],
];

/** Operations whose options are more than the bounds of a call. */
const WITH_OWN_OPTIONS = ['queues.receive', 'topics.subscribe', 'admin.purge', 'admin.setGate'];

const NO_OPTIONS: readonly unknown[] = [null, 'text', 5, [], { unknownOption: 1 }, () => undefined];
const NO_SIGNALS: readonly unknown[] = [null, 'text', {}, new AbortController()];
const NO_FUNCTIONS: readonly unknown[] = [undefined, null, 'text', {}];
const NO_FROMS: readonly unknown[] = [
  null,
  'old',
  '',
  5,
  {},
  { after: '' },
  { after: 5 },
  { time: '1' },
  { after: 'x', time: 1 },
];
const NO_RECEIPTS: readonly unknown[] = [undefined, null, '', 5, 'x'.repeat(513)];
const NO_SETTLEMENTS: readonly unknown[] = [
  ...[undefined, null, 'ack', {}, [null], ['ack'], [{}], [{ receipt: 'r' }], [{ action: 'ack' }]],
  ...[
    [{ receipt: 'r', action: 'nack' }],
    [{ receipt: 'r', action: 'ack', more: 1 }],
    Array(10_001).fill({ receipt: 'r', action: 'ack' }),
  ],
  ...[4_097, 5_000].map((length) => [{ receipt: 'r', action: 'reject', reason: 'x'.repeat(length) }]),
  ...['\ud800', 5, null].map((reason) => [{ receipt: 'r', action: 'retry', reason }]),
  ...[49, 43_200_001, '1s', null].map((leaseMs) => [{ receipt: 'r', action: 'extend', leaseMs }]),
  [{ receipt: 'r', action: 'ack', leaseMs: 1_000 }],
  ...['release', 'extend'].map((action) => [{ receipt: 'r', action, entry: { key, value: body } }]),
];
const NO_ENTRIES: readonly unknown[] = [
  ...[null, 'text', 5, [], {}, { key }, { value: body }, { key: '', value: body }, { key: 'a\0', value: body }],
  ...[
    { key, value: 'text' },
    { key, value: [1] },
    { key, value: body, ttlMs: 0 },
    { key, value: body, ttlMs: null },
  ],
  { key, value: body, ifRevision: 0 },
];
const NO_IDS: readonly unknown[] = ['id', {}, [''], [null], [5], Array(1_001).fill('id')];

const OF_CALLS: readonly BadInput[] = [
  ...tried('a signal for send', NO_SIGNALS, ({ queues }, signal) => queues.send(queue, [{ body }], { signal })),
  ...tried('a signal for receive', NO_SIGNALS, ({ queues }, signal) => queues.receive(queue, { signal })),
  ...tried('`create`', ['no', 0, null], ({ queues }, create) => queues.send(queue, [{ body }], { create })),
  ...tried('`ephemeral`', ['no', 0, null], ({ topics }, ephemeral) => topics.publish(topic, [{ body }], { ephemeral })),
  ...tried('`paused`', ['no', 0, null], ({ queues }, paused) => queues.configure(queue, { paused })),
  ...tried('`frozen`', ['no', 0, null], ({ queues }, frozen) => queues.configure(queue, { frozen })),
  ...tried('a consumer', ['', control, 5, null, 'x'.repeat(256)], ({ queues }, consumer) =>
    queues.receive(queue, { consumer }),
  ),
  ...tried('a handler', NO_FUNCTIONS, ({ topics }, handler) => topics.subscribe(topic, {}, handler)),
  ...tried('a watcher', NO_FUNCTIONS, ({ kv }, watcher) => kv.watch('', watcher)),
  ...tried('`from` of a subscription', NO_FROMS, ({ topics }, from) =>
    topics.subscribe(topic, { from }, () => undefined),
  ),
  ...tried('`from` of a binding', NO_FROMS, ({ topics }, from) => topics.bind(queue, topic, { from })),
  ...tried('a receipt', NO_RECEIPTS, ({ queues }, receipt) => queues.settle([{ receipt, action: 'ack' }])),
  ...tried('settlements', NO_SETTLEMENTS, ({ queues }, settlements) => queues.settle(settlements)),
  ...tried('an entry of a settlement', NO_ENTRIES, ({ queues }, entry) =>
    queues.settle([{ receipt: 'r', action: 'ack', entry }]),
  ),
  ...tried('a value', [undefined, null, 'text', 5, [1], new ArrayBuffer(1)], ({ kv }, value) => kv.put(key, value)),
  ...tried('touches', [undefined, null, {}, [null], [{}], [{ key }]], ({ kv }, touches) => kv.touch(touches)),
  ...tried('`after` of a list', ['', 5, 'a\0'], ({ kv }, after) => kv.list('', { after })),
  ...tried('a prefix of queues', [5, null, {}], ({ admin }, prefix) => admin.queues({ prefix })),
  ...tried('names of queues', ['a', {}, null], ({ admin }, names) => admin.queues({ names })),
  ...tried('a state to browse', ['gone', 5, null], ({ admin }, state) => admin.browse(queue, { state })),
  ...tried('a state to purge', ['leased', 'gone', 5, undefined], ({ admin }, state) => admin.purge(queue, { state })),
  ...tried('a type to browse', ['', 'x'.repeat(256), 5, null], ({ admin }, type) => admin.browse(queue, { type })),
  ...tried('ids to browse', NO_IDS, ({ admin }, ids) => admin.browse(queue, { ids })),
  ...tried('ids to redrive', NO_IDS, ({ admin }, ids) => admin.redrive(queue, { ids })),
  ...tried('ids to purge', NO_IDS, ({ admin }, ids) => admin.purge(queue, { state: 'dead', ids })),
  ...tried('ids to cancel', [...NO_IDS, undefined, null], ({ admin }, ids) => admin.cancel(queue, ids)),
  ...tried('ids to reschedule', [...NO_IDS, undefined, null], ({ admin }, ids) => admin.reschedule(queue, ids, 0)),
  ...tried('`leases` of a close', ['lose', 5, null], (transport, leases) => transport.close({ leases })),
];

/** Each bad argument combined with each operation that takes one. */
export const BAD_ARGUMENTS: readonly BadInput[] = [
  ...FIELDS.flatMap(([field, values]) => [
    ...tried(`\`${field}\` of a message`, values.filter(isGiven(field)), ({ queues }, value) =>
      queues.send(queue, [{ body, [field]: value }]),
    ),
    ...tried(`\`${field}\` of an event`, values.filter(isGiven(field)), ({ topics }, value) =>
      topics.publish(topic, [{ body, [field]: value }]),
    ),
  ]),
  ...tried('messages', NO_MESSAGES, ({ queues }, messages) => queues.send(queue, messages)),
  ...tried('events', NO_MESSAGES, ({ topics }, messages) => topics.publish(topic, messages)),
  ...OF_CALLS,
  ...OPERATIONS.flatMap(({ name, call }) =>
    WITH_OWN_OPTIONS.includes(name)
      ? []
      : tried(`options of ${name}`, NO_OPTIONS, (transport, options: CallOptions) => call(transport, options)),
  ),
  ...tried('options of queues.receive', NO_OPTIONS, ({ queues }, options) => queues.receive(queue, options)),
  ...tried('options of topics.subscribe', NO_OPTIONS, ({ topics }, options) =>
    topics.subscribe(topic, options, () => undefined),
  ),
  ...tried('options of admin.purge', [undefined, ...NO_OPTIONS], ({ admin }, options) => admin.purge(queue, options)),
  ...tried('options of admin.setGate', [undefined, ...NO_OPTIONS], ({ admin }, options) =>
    admin.setGate('open', options),
  ),
  ...tried('options of a close', NO_OPTIONS, (transport, options) => transport.close(options)),
];

/** Only the body is required. */
function isGiven(field: string): (value: unknown) => boolean {
  return (value) => value !== undefined || field === 'body';
}
