/** Statistics of queues, rates, response times and the load of agents. */

import type { QueueInfo } from '../contract/admin.ts';
import type { CallOptions } from '../contract/call-options.ts';
import type { TransportState } from '../contract/transport.ts';
import { checkDuration, checkOptions } from '../contract/validation.ts';
import { BoundedWait } from './bounded-wait.ts';
import { mergeTiming, type Timing } from './histogram.ts';
import { toBounds } from './messages/message-options.ts';
import type { AgentInfo } from './registry/agent-info.ts';
import { addressOf, REPLY_PREFIX } from './registry/agent-names.ts';
import type { Registry } from './registry/registry.ts';
import type { BusRuntime } from './runtime.ts';

/** What to measure. */
export interface StatsOptions extends CallOptions {
  /** Measures rates over this time, 10 to 60,000, and takes this long. Default: since the last `stats` of this bus. */
  readonly sampleMs?: number | undefined;
}

/** Messages per second. */
export interface QueueRates {
  readonly sent: number;
  /** Acked. */
  readonly done: number;
  /** Became dead letters. */
  readonly dead: number;
  /** Expired. */
  readonly expired: number;
  /** The time of the measurement. */
  readonly overMs: number;
}

/**
 * A queue at one moment. Inboxes are `$inbox.<agent>`, durable subscriptions `$sub.<name>`. The queues of requests and their
 * replies, which not every backend has, are left out.
 */
export interface QueueStats
  extends Pick<QueueInfo, 'ready' | 'delayed' | 'leased' | 'dead' | 'oldestAgeMs' | 'totals'> {
  readonly name: string;
  /** Undefined in the first `stats` without `sampleMs`. */
  readonly rates: QueueRates | undefined;
}

/** An online agent. */
export interface AgentStats extends Pick<AgentInfo, 'name' | 'load' | 'limit'> {
  /** The number of its instances. */
  readonly instances: number;
}

/** A bus at one moment. */
export interface BusStats {
  /** When, in milliseconds since 1970. */
  readonly at: number;
  readonly transport: { readonly name: string; readonly state: TransportState };
  /** In order of name. */
  readonly queues: readonly QueueStats[];
  /**
   * The durations of handlers of online agents by type, as of their last heartbeats. Merged from all instances: `p50`
   * weighted by count, `p99` the highest.
   */
  readonly requests: Readonly<Record<string, Timing>>;
  /** Response times of requests of this bus by type, since it was opened. */
  readonly responses: Readonly<Record<string, Timing>>;
  /** Online agents, in order of name. */
  readonly agents: readonly AgentStats[];
  /** Failures without a waiting caller, since the bus was opened. `onError` got them. */
  readonly errors: number;
}

interface Sample {
  readonly at: number;
  readonly totals: ReadonlyMap<string, QueueInfo['totals']>;
}

const PAGE = 1000;
const REQUEST_PREFIXES = [addressOf(''), REPLY_PREFIX];

/** Measures one bus. */
export class Statistics {
  readonly #runtime: BusRuntime;
  readonly #registry: Registry;
  #last: Sample | undefined;

  constructor(runtime: BusRuntime, registry: Registry) {
    this.#runtime = runtime;
    this.#registry = registry;
  }

  async measure(options: StatsOptions = {}): Promise<BusStats> {
    checkOptions(options, ['sampleMs', 'timeoutMs', 'signal'], 'stats options');
    checkDuration(options.sampleMs, 'sampleMs', { min: 10, max: 60_000 });
    const { transport } = this.#runtime;
    const before = await this.#before(options);
    const [queues, agents] = await Promise.all([this.#queues(options), this.#registry.list({ online: true })]);
    const now = toSample(queues);
    this.#last = now;
    return {
      at: Date.now(),
      transport: { name: transport.name, state: transport.state },
      queues: queues.map((queue) => toQueueStats(queue, before, now)),
      requests: mergeTimings(agents),
      responses: this.#runtime.timings.toJSON(),
      agents: agents.map(({ name, load, limit, instances }) => ({ name, load, limit, instances: instances.length })),
      errors: this.#runtime.errors,
    };
  }

  async #before({ sampleMs, ...options }: StatsOptions): Promise<Sample | undefined> {
    if (sampleMs === undefined) return this.#last;
    const sample = toSample(await this.#queues(options));
    const wait = new BoundedWait({ waitMs: Number.POSITIVE_INFINITY, signal: options.signal });
    try {
      await wait.sleep(sampleMs);
    } finally {
      wait.end();
    }
    return sample;
  }

  async #queues(options: CallOptions): Promise<QueueInfo[]> {
    const all: QueueInfo[] = [];
    let page: QueueInfo[];
    do {
      const query = { ...toBounds(options), limit: PAGE, after: all.at(-1)?.name };
      page = await this.#runtime.transport.admin.queues(query);
      all.push(...page);
    } while (page.length === PAGE);
    return all.filter(({ name }) => !REQUEST_PREFIXES.some((prefix) => name.startsWith(prefix)));
  }
}

function toSample(queues: readonly QueueInfo[]): Sample {
  return { at: performance.now(), totals: new Map(queues.map(({ name, totals }) => [name, totals])) };
}

function toQueueStats(queue: QueueInfo, before: Sample | undefined, now: Sample): QueueStats {
  const { name, ready, delayed, leased, dead, oldestAgeMs, totals } = queue;
  const rates = before && ratesOf(totals, before.totals.get(name), now.at - before.at);
  return { name, ready, delayed, leased, dead, oldestAgeMs, totals, rates };
}

/** A queue that is new or was recreated counts from zero. */
function ratesOf(now: QueueInfo['totals'], before: QueueInfo['totals'] | undefined, overMs: number): QueueRates {
  const rate = (key: keyof QueueInfo['totals']): number => {
    const past = before?.[key] ?? 0;
    return ((now[key] - (now[key] >= past ? past : 0)) * 1000) / Math.max(1, overMs);
  };
  return { sent: rate('sent'), done: rate('done'), dead: rate('dead'), expired: rate('expired'), overMs };
}

function mergeTimings(agents: readonly AgentInfo[]): Record<string, Timing> {
  const merged = new Map<string, Timing>();
  for (const { instances } of agents) {
    for (const { requests } of instances) {
      for (const [type, timing] of Object.entries(requests)) merged.set(type, mergeTiming(merged.get(type), timing));
    }
  }
  return Object.fromEntries(merged);
}
