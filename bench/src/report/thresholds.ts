/** Checks measured figures against the thresholds of the design. */

import type { Durability } from '../durability.ts';
import { median, ratio, show } from '../figures.ts';
import { figureOf, type Measurement } from '../measurement.ts';
import type { ScenarioName } from '../scenarios/scenario-name.ts';

/** A threshold for a figure: relative to the same figure of another target, or a fixed bound. */
interface Threshold {
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
const UNIX = { target: 'unix', scenario: 'request', of: 'moleculer' } as const;
const REDIS_CALLS = { scenario: 'request', of: 'moleculer-redis', times: 1 } as const;
const COMPOSED = { scenario: 'compositions', figure: 'both at once' } as const;
const MEMORY = { scenario: 'memory', at: '100000 messages' } as const;
const REQUESTS = 'with 64 in flight';

const THRESHOLDS: readonly Threshold[] = [
  { target: 'sqlite', ...AT_64, figure: 'enqueue', times: 2, of: 'plainjob' },
  { target: 'sqlite', ...AT_64, figure: 'consume+ack', times: 4, of: 'plainjob' },
  { target: 'sqlite', scenario: 'queue', at: '128 in flight', durability: 'power', figure: 'enqueue', bound: 50_000 },
  { ...WAKE, figure: 'p50', bound: 0.5 },
  { ...WAKE, figure: 'p99', bound: 5 },
  { ...WAKE, figure: 'idle CPU', bound: 1 },
  { target: 'sqlite', scenario: 'writers', at: '8 processes', figure: 'slowest send', bound: 250 },
  { target: 'redis', ...AT_64, figure: 'enqueue', times: 2, of: 'bullmq' },
  { target: 'redis', ...AT_64, figure: 'consume+ack', times: 2, of: 'bullmq' },
  { target: 'redis-many', ...AT_64, figure: 'enqueue', times: 2, of: 'bullmq-many' },
  { target: 'redis-bus', ...AT_64, figure: 'enqueue', times: 2.5, of: 'bullmq' },
  { target: 'redis-bus', ...AT_64, figure: 'consume+ack', times: 2.5, of: 'bullmq' },
  ...['redis', 'redis-bus'].flatMap((target): Threshold[] => [
    { target, ...REDIS_CALLS, figure: 'p50' },
    { target, ...REDIS_CALLS, figure: REQUESTS },
  ]),
  { target: 'redis', ...AT_64, figure: 'enqueue', times: 0.9, of: 'ioredis' },
  { target: 'redis', ...AT_64, figure: 'consume+ack', times: 0.9, of: 'ioredis' },
  { ...NATS, ...AT_64, figure: 'enqueue', times: 0.9 },
  { ...NATS, ...ALONE, figure: 'enqueue', times: 0.9 },
  { ...NATS, ...AT_64, figure: 'consume+ack', times: 0.9 },
  { target: 'nats', ...AT_64, figure: 'consume+ack', bound: 40_000 },
  { ...NATS, ...ALONE, figure: 'consume+ack', times: 0.6 },
  { target: 'nats', scenario: 'request', figure: 'p50', times: 0.9, of: 'nats-core' },
  { target: 'nats', scenario: 'request', figure: REQUESTS, times: 0.9, of: 'nats-core' },
  { ...UNIX, figure: 'p50', times: 1 },
  { ...UNIX, figure: REQUESTS, times: 1.5 },
  { target: 'unix', scenario: 'writers', at: '4 processes', figure: 'together', times: 1, of: 'sqlite' },
  { target: 'unix', scenario: 'writers', at: '8 processes', figure: 'together', times: 1, of: 'sqlite' },
  ...['redis-bus', 'nats-bus', 'unix-bus'].map(
    (target): Threshold => ({ target, scenario: 'idle', figure: 'CPU', bound: 1 }),
  ),
  ...['sqlite-bus', 'redis-bus', 'nats-bus', 'unix-bus'].flatMap((target): Threshold[] => [
    { target, scenario: 'idle', figure: 'above Node', bound: 30 },
    { target, ...MEMORY, figure: 'added', bound: 50 },
  ]),
  { target: 'nats', ...MEMORY, figure: 'while all wait', bound: 20 },
  { ...MEMBERS, at: '500 members', figure: 'enqueue', times: 0.9, of: 'nats', ofAt: '0 members' },
  { ...MEMBERS, at: '2000 members', figure: 'enqueue', times: 0.8, of: 'nats', ofAt: '0 members' },
  { ...MEMBERS, at: '500 members', figure: 'idle CPU of the members', bound: 10 },
  { ...MEMBERS, at: '500 members', figure: 'of the server', bound: 3 },
  { target: 'nats', scenario: 'mailboxes', at: '10000 mailboxes', figure: 'opening all', bound: 60_000 },
  { target: 'nats', scenario: 'mailboxes', at: '10000 mailboxes', figure: 'server, all woken', bound: 700 },
  ...['sqlite', 'redis', 'nats', 'unix'].flatMap((of): Threshold[] => [
    { target: `${of}-audit`, ...COMPOSED, times: 0.75, of },
    { target: `${of}-hybrid`, ...COMPOSED, times: 0.9, of },
  ]),
  { target: undefined, scenario: 'startup', figure: 'above', bound: 60 },
];

/** A row for each threshold whose figure was measured: figure, value, threshold, verdict. */
export function checkThresholds(measurements: readonly Measurement[]): string[][] {
  return THRESHOLDS.flatMap((threshold) => {
    const row = check(threshold, measurements);
    return row === undefined ? [] : [row];
  });
}

function check(threshold: Threshold, measurements: readonly Measurement[]): string[] | undefined {
  const { scenario, at, figure: name, of, ofAt, times = 0, bound = 0 } = threshold;
  const figure = figureOf(measurements, threshold);
  const other = of === undefined ? undefined : figureOf(measurements, { ...threshold, target: of, at: ofAt ?? at });
  if (figure === undefined || (of !== undefined && other === undefined)) return undefined;
  const what = [threshold.target, scenario, name, at].filter((word) => word).join(' ');
  if (other !== undefined) {
    const measured = ratio(figure, other);
    return [what, `${show(measured)}× ${ofAt ?? of}`, `≥ ${times}×`, verdict(measured >= times)];
  }
  const value = median(figure.values);
  const [sign, isMet] = figure.better === 'up' ? ['≥', value >= bound] : ['≤', value <= bound];
  return [what, `${show(value)} ${figure.unit}`, `${sign} ${bound.toLocaleString('en-US')}`, verdict(isMet)];
}

function verdict(isMet: boolean): string {
  return isMet ? 'met' : 'NOT MET';
}
