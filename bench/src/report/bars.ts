/** The bars of the design: which figure has to reach what. */

import type { Durability } from '../durability.ts';
import type { ScenarioName } from '../scenarios/scenario-name.ts';

/** A threshold for a figure: relative to the same figure of another target, or a fixed bound. */
export interface Threshold {
  /** The row of the page that it belongs to. Without one it is in the list of all thresholds only. */
  readonly bar?: string;
  /** Undefined for a scenario without a target. */
  readonly target: string | undefined;
  readonly scenario: ScenarioName;
  readonly figure: string;
  readonly at?: string;
  readonly durability?: Durability;
  /** The least ratio to `of`. */
  readonly times?: number;
  readonly of?: string;
  /** The condition of the other figure, where it is another one. */
  readonly ofAt?: string;
  /** A fixed bound: the least rate, or the highest cost. */
  readonly bound?: number;
}

const AT_64 = { scenario: 'queue', at: '64 in flight' } as const;
const ALONE = { scenario: 'queue', at: '1 in flight' } as const;
const NATS = { target: 'nats', of: 'jetstream-asked' } as const;
const MEMBERS = { target: 'nats', scenario: 'members' } as const;
const WAKE = { target: 'sqlite', scenario: 'wake' } as const;
const COMPOSED = { scenario: 'compositions', figure: 'both at once' } as const;
const MEMORY = { scenario: 'memory', at: '100000 messages' } as const;
const REQUESTS = 'with 64 in flight';

const BACKENDS = ['sqlite', 'redis', 'nats', 'unix'];

/** Ratios of medians of the same run, and bounds. */
export const BARS: readonly Threshold[] = [
  ...group('SQLite: enqueue, process', [
    { target: 'sqlite-bus', ...AT_64, figure: 'enqueue', times: 2, of: 'plainjob' },
    { target: 'sqlite-bus', ...AT_64, figure: 'consume+ack', times: 4, of: 'plainjob' },
  ]),
  ...group('SQLite: process with results kept', [
    { target: 'sqlite-bus', ...AT_64, figure: 'consume+ack', times: 0.8, of: 'sqlite-lean' },
  ]),
  ...(['process', 'none'] as const).flatMap((durability) =>
    group(`Redis, ${durability === 'none' ? 'no log' : 'appendfsync always'}: enqueue, process`, [
      { target: 'redis-bus', ...AT_64, durability, figure: 'enqueue', times: 2.5, of: 'bullmq' },
      { target: 'redis-bus', ...AT_64, durability, figure: 'consume+ack', times: 2.5, of: 'bullmq' },
    ]),
  ),
  ...group('Redis: request p50, 64 in flight', requestsOf('redis-bus', 'moleculer-redis')),
  ...group('SQLite: request p50, 64 in flight', requestsOf('sqlite-bus', 'moleculer')),
  ...group('Hub: request p50, 64 in flight', requestsOf('unix-bus', 'moleculer')),
  ...group('Hub, one pair: enqueue, process', [
    { target: 'unix-bus', ...AT_64, figure: 'enqueue', times: 0.9, of: 'sqlite-bus' },
    { target: 'unix-bus', ...AT_64, figure: 'consume+ack', times: 0.9, of: 'sqlite-bus' },
  ]),
  ...group('Hub, four pairs', [
    { target: 'unix-bus', scenario: 'parallel', figure: '4 to 4', times: 1.2, of: 'sqlite-bus' },
  ]),
  ...group('NATS: enqueue, consume', [
    { ...NATS, ...AT_64, figure: 'enqueue', times: 0.9 },
    { ...NATS, ...AT_64, figure: 'consume+ack', times: 0.9 },
    { target: 'nats', ...AT_64, figure: 'consume+ack', bound: 40_000 },
  ]),
  ...group('NATS, one in flight: enqueue, consume', [
    { ...NATS, ...ALONE, figure: 'enqueue', times: 0.9 },
    { ...NATS, ...ALONE, figure: 'consume+ack', times: 0.6 },
  ]),
  ...group('NATS: request p50, 64 in flight', requestsOf('nats', 'nats-core', 0.9)),
  ...['1 subscriber', '100 subscribers'].flatMap((at) =>
    group(`Ephemeral events, ${at}`, [
      { target: 'redis-ephemeral', scenario: 'fanout', at, figure: 'delivered', times: 0.8, of: 'ioredis' },
      { target: 'nats-ephemeral', scenario: 'fanout', at, figure: 'delivered', times: 0.8, of: 'nats-core' },
    ]),
  ),
  ...BACKENDS.flatMap((of) =>
    group(`The Bus over its transport, ${of}: enqueue, process, requests`, [
      { target: `${of}-lean`, ...AT_64, figure: 'enqueue', times: 0.85, of },
      { target: `${of}-lean`, ...AT_64, figure: 'consume+ack', times: 0.85, of },
      { target: `${of}-bus`, scenario: 'request', figure: REQUESTS, times: 0.85, of },
    ]),
  ),
  ...group('SQLite: 16 writers beside 4', [
    {
      target: 'sqlite',
      scenario: 'writers',
      at: '16 processes',
      figure: 'together',
      times: 0.9,
      of: 'sqlite',
      ofAt: '4 processes',
    },
  ]),
  ...group('Memory of a client while 100,000 tasks wait', [
    ...BACKENDS.map((of): Threshold => ({ target: `${of}-bus`, ...MEMORY, figure: 'while all wait', bound: 20 })),
  ]),
  ...group('Memory of a client after 100,000 finished tasks', [
    ...BACKENDS.map((of): Threshold => ({ target: `${of}-bus`, ...MEMORY, figure: 'added', bound: 20 })),
  ]),
  // Twice the bytes of the bodies, and 300 bytes each.
  ...group('Memory of Redis: 100,000 tasks wait, are finished', [
    { target: 'redis-bus', ...MEMORY, figure: 'server, all waiting', bound: 81.2 },
    { target: 'redis-bus', ...MEMORY, figure: 'server, all finished', bound: 81.2 },
  ]),
];

/** Bounds that the page does not show. */
export const OTHERS: readonly Threshold[] = [
  { target: 'sqlite', scenario: 'queue', at: '128 in flight', durability: 'power', figure: 'enqueue', bound: 50_000 },
  { ...WAKE, figure: 'p50', bound: 0.5 },
  { ...WAKE, figure: 'p99', bound: 5 },
  { ...WAKE, figure: 'idle CPU', bound: 1 },
  { target: 'sqlite', scenario: 'writers', at: '8 processes', figure: 'slowest send', bound: 250 },
  { target: 'redis-many', ...AT_64, figure: 'enqueue', times: 2, of: 'bullmq-many' },
  { target: 'redis', ...AT_64, figure: 'enqueue', times: 0.9, of: 'ioredis' },
  { target: 'redis', ...AT_64, figure: 'consume+ack', times: 0.9, of: 'ioredis' },
  { target: 'unix', scenario: 'writers', at: '4 processes', figure: 'together', times: 1, of: 'sqlite' },
  { target: 'unix', scenario: 'writers', at: '8 processes', figure: 'together', times: 1, of: 'sqlite' },
  ...['redis-bus', 'nats-bus', 'unix-bus'].map(
    (target): Threshold => ({ target, scenario: 'idle', figure: 'CPU', bound: 1 }),
  ),
  ...['sqlite-bus', 'redis-bus', 'nats-bus', 'unix-bus'].flatMap((target): Threshold[] => [
    { target, scenario: 'idle', figure: 'above Node', bound: 30 },
    { target, ...MEMORY, figure: 'added', bound: 50 },
  ]),
  { ...MEMBERS, at: '500 members', figure: 'enqueue', times: 0.9, of: 'nats', ofAt: '0 members' },
  { ...MEMBERS, at: '2000 members', figure: 'enqueue', times: 0.8, of: 'nats', ofAt: '0 members' },
  { ...MEMBERS, at: '500 members', figure: 'idle CPU of the members', bound: 10 },
  { ...MEMBERS, at: '500 members', figure: 'of the server', bound: 3 },
  { target: 'nats', scenario: 'mailboxes', at: '10000 mailboxes', figure: 'opening all', bound: 60_000 },
  { target: 'nats', scenario: 'mailboxes', at: '10000 mailboxes', figure: 'server, all woken', bound: 700 },
  ...BACKENDS.flatMap((of): Threshold[] => [
    { target: `${of}-audit`, ...COMPOSED, times: 0.75, of },
    { target: `${of}-hybrid`, ...COMPOSED, times: 0.9, of },
  ]),
  { target: undefined, scenario: 'startup', figure: 'above', bound: 60 },
  { target: undefined, scenario: 'startup', figure: 'installed, above', bound: 45 },
  { target: undefined, scenario: 'startup', figure: 'wrapper', bound: 30 },
];

/** The targets whose figures decide a bar at that durability. Undefined is the first one, at which most bars are measured. */
export function targetsOfBars(scenario: ScenarioName, durability: Durability | undefined): Set<string> {
  const own = BARS.filter((bar) => bar.scenario === scenario);
  const isFirst = durability === undefined;
  const here = own.filter((bar) => (isFirst ? bar.durability !== 'none' : bar.durability === durability));
  return new Set(here.flatMap(({ target, of }) => [target, of].filter((name) => name !== undefined)));
}

function group(bar: string, thresholds: readonly Threshold[]): Threshold[] {
  return thresholds.map((threshold) => ({ bar, ...threshold }));
}

function requestsOf(target: string, of: string, times = 1): Threshold[] {
  return [
    { target, scenario: 'request', figure: 'p50', times, of },
    { target, scenario: 'request', figure: REQUESTS, times, of },
  ];
}
