/** Numbers out of range, and every option that takes one. */

import type { Transport } from '@busbar/api/transport';
import { type BadInput, tried } from './bad-inputs.ts';

const body = Uint8Array.of(1);
const NAN = Number.NaN;
const FOREVER = Number.POSITIVE_INFINITY;
const OVER_TEN_YEARS = 315_360_000_001;
/** Values that every numeric option refuses. */
const NO_NUMBERS: readonly unknown[] = [NAN, Number.NEGATIVE_INFINITY, -1, '1', null, true, 1n, {}, [1]];

type Numbered = readonly [
  option: string,
  values: readonly unknown[],
  call: (transport: Transport, value: never) => unknown,
];

const count = [0, 1.5, FOREVER];

const OF_MESSAGES: readonly (readonly [field: string, values: readonly unknown[]])[] = [
  ['priority', [10, 1.5, FOREVER]],
  ['hops', [256, 1.5, FOREVER]],
  ['delayMs', [FOREVER, OVER_TEN_YEARS]],
  ['ttlMs', [0, 0.5, FOREVER, OVER_TEN_YEARS]],
  ['maxAttempts', [...count, 1_001]],
];

const OF_QUEUES: readonly (readonly [setting: string, values: readonly unknown[]])[] = [
  ['leaseMs', [0, 49, FOREVER, 43_200_001]],
  ['maxLength', [...count, 2 ** 31]],
  ['maxAttempts', [...count, 1_001]],
  ['dedupeMs', [0, 119_999, 604_800_001, FOREVER]],
  ['expireIdleMs', [0, 999]],
  ['deadTtlMs', [0, 999]],
];

const OF_CALLS: readonly Numbered[] = [
  ['max of a receive', [...count, 1_001], ({ queues }, max) => queues.receive('queue', { max })],
  ['waitMs of a receive', [], ({ queues }, waitMs) => queues.receive('queue', { waitMs })],
  [
    'delayMs of a retry',
    [FOREVER],
    ({ queues }, delayMs) => queues.settle([{ receipt: 'r', action: 'retry', delayMs }]),
  ],
  ['max of a subscription', [...count, 1_001], ({ topics }, max) => topics.subscribe('t', { max }, () => undefined)],
  ['time to begin at', [FOREVER], ({ topics }, time) => topics.subscribe('t', { from: { time } }, () => undefined)],
  ['time to bind from', [FOREVER], ({ topics }, time) => topics.bind('queue', 't', { from: { time } })],
  ['ttlMs of an entry', [0, FOREVER, OVER_TEN_YEARS], ({ kv }, ttlMs) => kv.put('key', body, { ttlMs })],
  ['ifRevision of a put', [1.5, FOREVER, 2 ** 53], ({ kv }, ifRevision) => kv.put('key', body, { ifRevision })],
  ['ttlMs of a touch', [0, FOREVER, undefined], ({ kv }, ttlMs) => kv.touch([{ key: 'key', ttlMs }])],
  [
    'createRevision of a touch',
    count,
    ({ kv }, createRevision) => kv.touch([{ key: 'key', ttlMs: 1_000, createRevision }]),
  ],
  ['ifRevision of a delete', count, ({ kv }, ifRevision) => kv.delete('key', { ifRevision })],
  ['limit of a list', [...count, 1_001], ({ kv }, limit) => kv.list('', { limit })],
  ['limit of queues', [...count, 1_001], ({ admin }, limit) => admin.queues({ limit })],
  ['limit of topics', [...count, 1_001], ({ admin }, limit) => admin.topics({ limit })],
  ['limit of a browse', [...count, 1_001], ({ admin }, limit) => admin.browse('queue', { limit })],
  ['limit of a redrive', [...count, 1_001], ({ admin }, limit) => admin.redrive('queue', { limit })],
  ['delayMs of a reschedule', [FOREVER, undefined], ({ admin }, delayMs) => admin.reschedule('queue', ['id'], delayMs)],
  ['drainMs of a close', [FOREVER, 2 ** 31], (transport, drainMs) => transport.close({ drainMs })],
  ...timeouts('queues.send', ({ queues }, timeoutMs) => queues.send('queue', [{ body }], { timeoutMs })),
  ...timeouts('queues.settle', ({ queues }, timeoutMs) => queues.settle([], { timeoutMs })),
  ...timeouts('topics.publish', ({ topics }, timeoutMs) => topics.publish('t', [{ body }], { timeoutMs })),
  ...timeouts('kv.get', ({ kv }, timeoutMs) => kv.get('key', { timeoutMs })),
  ...timeouts('admin.queues', ({ admin }, timeoutMs) => admin.queues({ timeoutMs })),
];

/** Each bad number combined with each option that takes one. */
export const BAD_NUMBERS: readonly BadInput[] = [
  ...OF_MESSAGES.flatMap(([field, values]): Numbered[] => [
    [`${field} of a message`, values, ({ queues }, value) => queues.send('queue', [{ body, [field]: value }])],
    [`${field} of an event`, values, ({ topics }, value) => topics.publish('t', [{ body, [field]: value }])],
  ]),
  ...OF_QUEUES.map(
    ([setting, values]): Numbered => [
      `${setting} of a queue`,
      values,
      ({ queues }, value) => queues.configure('queue', { [setting]: value }),
    ],
  ),
  ...OF_CALLS,
].flatMap(([option, values, call]) => tried(option, [...NO_NUMBERS, ...values], call));

function timeouts(operation: string, call: Numbered[2]): Numbered[] {
  return [[`timeoutMs of ${operation}`, [0, 2 ** 31], call]];
}
