/** The bars that the design sets, held against what was measured. */

import { median, ratio, show } from '../figures.ts';
import { type Answer, figureOf } from '../measurement.ts';
import type { Durability } from '../options.ts';
import type { ScenarioName } from '../scenarios/scenarios.ts';

/** A figure of a subject, against the same figure of another one or against a fixed bound. */
interface Bar {
  /** Undefined for a scenario that brings its own. */
  readonly subject: string | undefined;
  readonly scenario: ScenarioName;
  readonly figure: string;
  readonly at?: string;
  readonly durability?: Durability;
  /** How many times better than `of`, at least. */
  readonly times?: number;
  readonly of?: string;
  /** The bound, where it is a fixed one: what is to be more must reach it, what is to be less must stay within it. */
  readonly bound?: number;
}

const AT_64 = { scenario: 'queue', at: '64 in flight' } as const;
const WAKE = { subject: 'sqlite', scenario: 'wake' } as const;
const UNIX = { subject: 'unix', scenario: 'request', of: 'moleculer' } as const;
const REQUESTS = 'with 64 in flight';

const BARS: readonly Bar[] = [
  { subject: 'sqlite', ...AT_64, figure: 'enqueue', times: 2, of: 'plainjob' },
  { subject: 'sqlite', ...AT_64, figure: 'consume+ack', times: 4, of: 'plainjob' },
  { subject: 'sqlite', scenario: 'queue', at: '128 in flight', durability: 'power', figure: 'enqueue', bound: 50_000 },
  { ...WAKE, figure: 'p50', bound: 0.5 },
  { ...WAKE, figure: 'p99', bound: 5 },
  { ...WAKE, figure: 'idle CPU', bound: 1 },
  { subject: 'sqlite', scenario: 'writers', at: '8 processes', figure: 'slowest send', bound: 250 },
  { subject: 'redis', ...AT_64, figure: 'enqueue', times: 2, of: 'bullmq' },
  { subject: 'redis', ...AT_64, figure: 'consume+ack', times: 2, of: 'bullmq' },
  { subject: 'redis-many', ...AT_64, figure: 'enqueue', times: 2, of: 'bullmq-many' },
  { subject: 'redis-bus', ...AT_64, figure: 'enqueue', times: 2, of: 'bullmq' },
  { subject: 'redis-bus', ...AT_64, figure: 'consume+ack', times: 2, of: 'bullmq' },
  { subject: 'redis', ...AT_64, figure: 'enqueue', times: 0.9, of: 'ioredis' },
  { subject: 'redis', ...AT_64, figure: 'consume+ack', times: 0.9, of: 'ioredis' },
  { subject: 'nats', ...AT_64, figure: 'enqueue', times: 0.9, of: 'jetstream' },
  { subject: 'nats', ...AT_64, figure: 'consume+ack', times: 0.9, of: 'jetstream' },
  { subject: 'nats', ...AT_64, figure: 'consume+ack', times: 0.9, of: 'jetstream-asked' },
  { subject: 'nats', scenario: 'request', figure: 'p50', times: 0.9, of: 'nats-core' },
  { subject: 'nats', scenario: 'request', figure: REQUESTS, times: 0.9, of: 'nats-core' },
  { ...UNIX, figure: 'p50', times: 1 },
  { ...UNIX, figure: REQUESTS, times: 1.5 },
  { subject: 'unix', scenario: 'writers', at: '4 processes', figure: 'together', times: 1, of: 'sqlite' },
  { subject: 'unix', scenario: 'writers', at: '8 processes', figure: 'together', times: 1, of: 'sqlite' },
  ...['redis-bus', 'nats-bus', 'unix-bus'].map(
    (subject): Bar => ({ subject, scenario: 'idle', figure: 'CPU', bound: 1 }),
  ),
  ...['sqlite-bus', 'redis-bus', 'nats-bus', 'unix-bus'].flatMap((subject): Bar[] => [
    { subject, scenario: 'idle', figure: 'above Node', bound: 30 },
    { subject, scenario: 'memory', figure: 'added', bound: 50 },
  ]),
  { subject: undefined, scenario: 'startup', figure: 'above', bound: 60 },
];

/** One row each: what, how much, the bar, whether it is met. Bars of what was not measured are left out. */
export function holdBars(answers: readonly Answer[]): string[][] {
  return BARS.flatMap((bar) => {
    const held = hold(bar, answers);
    return held === undefined ? [] : [held];
  });
}

function hold(bar: Bar, answers: readonly Answer[]): string[] | undefined {
  const { scenario, at, figure: name, of, times = 0, bound = 0 } = bar;
  const figure = figureOf(answers, bar);
  const other = of === undefined ? undefined : figureOf(answers, { ...bar, subject: of });
  if (figure === undefined || (of !== undefined && other === undefined)) return undefined;
  const what = [bar.subject, scenario, name, at].filter((word) => word).join(' ');
  if (other !== undefined) {
    const measured = ratio(figure, other);
    return [what, `${show(measured)}× ${of}`, `≥ ${times}×`, verdict(measured >= times)];
  }
  const value = median(figure.values);
  const [sign, isMet] = figure.better === 'up' ? ['≥', value >= bound] : ['≤', value <= bound];
  return [what, `${show(value)} ${figure.unit}`, `${sign} ${bound.toLocaleString('en-US')}`, verdict(isMet)];
}

function verdict(isMet: boolean): string {
  return isMet ? 'met' : 'NOT MET';
}
