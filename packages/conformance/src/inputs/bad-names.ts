/** Illegal names, and every operation that takes one. */

import type { Transport } from '@busbar/api/transport';
import { type BadInput, tried } from './bad-inputs.ts';

const body = Uint8Array.of(1);

/** Illegal as a queue name, a topic name and in a pattern. */
const ILLEGAL: readonly unknown[] = [
  ...['', '.', '.a', 'a.', 'a..b', '..', '../a', '$', '$.a', 'a.$b', 'a$', '$$a'],
  ...[
    'a b',
    ' a',
    'a ',
    'a\tb',
    'a\nb',
    'a\0b',
    '\0',
    'a\u007f',
    'ä',
    'é'.normalize('NFD'),
    '😀',
    '\ud800',
    'a\u200bb',
  ],
  ...['a*b', 'a.b*', 'a>', 'a%b', 'a?b', 'a#b', 'a[b]', 'a,b', 'a;b', "a'b", 'a"b', 'a`b', 'a\\b', 'a|b', 'a&b', 'a=b'],
  ...['a{b}', 'a(b)', 'a<b', 'a!b', 'a^b'],
  ...['x'.repeat(65), 'x'.repeat(256), `${'x'.repeat(63)}.`.repeat(4), Array(17).fill('a').join('.')],
  ...[undefined, null, 5, true, {}, ['a'], Symbol('a'), new String('a')],
];

/** Wildcards. They are illegal in names. */
const WILDCARDS: readonly unknown[] = ['*', 'a.*', '*.a', '>', 'a.>'];

/** Illegal as a pattern. */
const ILLEGAL_PATTERNS: readonly unknown[] = ['>.a', 'a.>.b', '**', 'a.**', '>>', 'a.>>', 'a*', '*a', '$>x'];

/** Illegal as a key and as a prefix. */
const ILLEGAL_KEYS: readonly unknown[] = [
  ...['a\0', '\0', 'x'.repeat(513), 'é'.repeat(257), '\ud800', 'a\udc00b'],
  ...[undefined, null, 5, {}, ['a'], Symbol('a')],
];

type Named = readonly [operation: string, call: (transport: Transport, name: never) => unknown];

const BY_NAME: readonly Named[] = [
  ['queues.send', ({ queues }, name) => queues.send(name, [{ body }])],
  ['queues.receive', ({ queues }, name) => queues.receive(name)],
  ['queues.configure', ({ queues }, name) => queues.configure(name, { leaseMs: 1_000 })],
  ['topics.publish', ({ topics }, name) => topics.publish(name, [{ body }])],
  ['topics.bind of the queue', ({ topics }, name) => topics.bind(name, 'topic')],
  ['topics.unbind of the queue', ({ topics }, name) => topics.unbind(name, 'topic')],
  ['admin.queues', ({ admin }, name) => admin.queues({ names: [name] })],
  ['admin.browse', ({ admin }, name) => admin.browse(name)],
  ['admin.redrive', ({ admin }, name) => admin.redrive(name)],
  ['admin.purge', ({ admin }, name) => admin.purge(name, { state: 'dead' })],
  ['admin.cancel', ({ admin }, name) => admin.cancel(name, ['id'])],
  ['admin.reschedule', ({ admin }, name) => admin.reschedule(name, ['id'], 0)],
  ['admin.deleteQueue', ({ admin }, name) => admin.deleteQueue(name)],
];

const BY_PATTERN: readonly Named[] = [
  ['topics.subscribe', ({ topics }, pattern) => topics.subscribe(pattern, {}, () => undefined)],
  ['topics.bind of the pattern', ({ topics }, pattern) => topics.bind('queue', pattern)],
  ['topics.unbind of the pattern', ({ topics }, pattern) => topics.unbind('queue', pattern)],
];

const BY_KEY: readonly Named[] = [
  ['kv.get', ({ kv }, key) => kv.get(key)],
  ['kv.put', ({ kv }, key) => kv.put(key, body)],
  ['kv.touch', ({ kv }, key) => kv.touch([{ key, ttlMs: 1_000 }])],
  ['kv.delete', ({ kv }, key) => kv.delete(key)],
];

const BY_PREFIX: readonly Named[] = [
  ['kv.list', ({ kv }, prefix) => kv.list(prefix)],
  ['kv.watch', ({ kv }, prefix) => kv.watch(prefix, () => undefined)],
];

/** Each illegal name combined with each operation that takes one. */
export const BAD_NAMES: readonly BadInput[] = [
  ...cross(BY_NAME, [...ILLEGAL, ...WILDCARDS]),
  ...cross(
    [['a reply queue', ({ queues }, replyTo) => queues.send('queue', [{ body, replyTo }])]],
    [...ILLEGAL, ...WILDCARDS].filter((name) => name !== undefined),
  ),
  ...cross(BY_PATTERN, [...ILLEGAL, ...ILLEGAL_PATTERNS]),
  ...cross(BY_KEY, [...ILLEGAL_KEYS, '']),
  ...cross(BY_PREFIX, ILLEGAL_KEYS),
];

function cross(calls: readonly Named[], names: readonly unknown[]): BadInput[] {
  return calls.flatMap(([operation, call]) => tried(`${operation} with the name`, names, call));
}
