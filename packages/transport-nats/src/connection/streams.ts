/** The streams of a namespace on the server. */

import { BusbarError } from '@busbar/api/transport';
import type { Settings } from '../options.ts';
import type { Names } from './names.ts';
import type { ServerClock } from './server-clock.ts';
import { ServerRefusal, type ServerRequests, toDriverError } from './server-requests.ts';

/** How long the server remembers the id of a message. */
export const DEDUPE_MS = 120_000;

/** Facts about the streams of a namespace. */
export interface StreamFacts {
  /** Tells the topics of this namespace from any that had, or will have, its name. */
  readonly storeId: string;
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
  /** Whether the server answers before it has written (`persist_mode: async`). */
  readonly isAsync: boolean;
  /** How many consumers the queues may have; each queue has at least one. */
  readonly maxConsumers: number;
  readonly retention: { readonly maxAgeMs: number; readonly maxEvents: number; readonly maxBytes: number };
}

/** The server's info of a stream. */
export interface StreamInfo {
  readonly config: {
    readonly storage: 'file' | 'memory';
    readonly num_replicas: number;
    readonly persist_mode?: string;
    readonly max_consumers: number;
    readonly max_age: number;
    readonly max_msgs: number;
    readonly max_bytes: number;
    readonly duplicate_window: number;
  };
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly first_seq: number;
    readonly last_seq: number;
    readonly subjects?: Readonly<Record<string, number>>;
  };
  readonly ts: string;
}

const NOT_FOUND = 10_059;
const NAME_IN_USE = 10_058;
const MAX_CONSUMERS = 100_000;

/** Creates missing streams, and checks that all fit the settings. */
export async function ensureStreams(
  requests: ServerRequests,
  names: Names,
  clock: ServerClock,
  settings: Settings,
): Promise<StreamFacts> {
  try {
    const infos = await Promise.all(
      configsOf(names, settings).map((config) => ensureStream(requests, clock, config.name, config)),
    );
    const [queues, ledger, topics, kv] = infos as [StreamInfo, StreamInfo, StreamInfo, StreamInfo];
    const facts = toFacts([queues, ledger, await adapt(requests, names, topics, settings), kv]);
    checkFacts(facts, settings);
    return facts;
  } catch (error) {
    throw toDriverError(error);
  }
}

/** Reads the info of a stream, with the number of messages of each subject that matches `filter`. */
export async function streamInfo(
  requests: ServerRequests,
  clock: ServerClock,
  name: string,
  filter?: string,
): Promise<StreamInfo> {
  const sentAt = performance.now();
  const info = await requests.api<StreamInfo>(`STREAM.INFO.${name}`, filter && { subjects_filter: filter });
  clock.heard(Date.parse(info.ts), sentAt, performance.now());
  return info;
}

async function ensureStream(
  requests: ServerRequests,
  clock: ServerClock,
  name: string,
  config: Record<string, unknown>,
): Promise<StreamInfo> {
  try {
    return await streamInfo(requests, clock, name);
  } catch (error) {
    if (!(error instanceof ServerRefusal) || error.code !== NOT_FOUND) throw error;
  }
  try {
    const made = await requests.api<StreamInfo>(`STREAM.CREATE.${name}`, config);
    return { ...made, ...(await streamInfo(requests, clock, name)) };
  } catch (error) {
    // Another client made it meanwhile.
    if (error instanceof ServerRefusal && error.code === NAME_IN_USE) return streamInfo(requests, clock, name);
    throw error;
  }
}

/** Updates the stream of topics to the given bounds. */
async function adapt(
  requests: ServerRequests,
  names: Names,
  info: StreamInfo,
  settings: Settings,
): Promise<StreamInfo> {
  const { given } = settings;
  const isAny = given.retention || given.topicDedupeMs;
  const wanted = { ...(given.retention && boundsOf(settings)), ...(isAny && windowOf(settings)) };
  const present = info.config as StreamInfo['config'] & Readonly<Record<string, unknown>>;
  if (Object.entries(wanted).every(([key, value]) => present[key] === value)) return info;
  const config = { ...present, ...wanted };
  await requests.api(`STREAM.UPDATE.${names.topics}`, config);
  return { ...info, config };
}

function boundsOf({ retention }: Settings): Pick<StreamInfo['config'], 'max_age' | 'max_msgs' | 'max_bytes'> {
  const bound = (limit: number): number => (Number.isFinite(limit) ? limit : -1);
  return {
    max_msgs: bound(retention.maxEvents),
    max_bytes: bound(retention.maxBytes),
    max_age: Number.isFinite(retention.maxAgeMs) ? Math.ceil(retention.maxAgeMs) * NS : 0,
  };
}

/** The server remembers no id for longer than it keeps events. */
function windowOf({ topicDedupeMs, retention }: Settings): Pick<StreamInfo['config'], 'duplicate_window'> {
  return { duplicate_window: Math.ceil(Math.min(topicDedupeMs, retention.maxAgeMs)) * NS };
}

function configsOf(names: Names, settings: Settings): (Record<string, unknown> & { readonly name: string })[] {
  const { storage, replicas } = settings;
  const shared = {
    retention: 'limits',
    storage: storage ?? 'file',
    num_replicas: replicas ?? 1,
    max_consumers: MAX_CONSUMERS,
    allow_direct: true,
    duplicate_window: DEDUPE_MS * NS,
  };
  return [
    {
      ...{ ...shared, name: names.queues, subjects: [`${names.prefix}.q.>`, `${names.prefix}.i.>`] },
      ...{ discard: 'new', allow_atomic: true, allow_msg_ttl: true },
    },
    {
      ...{ ...shared, name: names.ledger, subjects: [`${names.prefix}.l.>`, `${names.prefix}.s.>`, names.header] },
      ...{ discard: 'new', allow_rollup_hdrs: true },
    },
    {
      ...{ ...shared, name: names.topics, subjects: [`${names.prefix}.t.>`], discard: 'old' },
      ...{ ...boundsOf(settings), ...windowOf(settings) },
    },
    {
      ...{ ...shared, name: names.kv, subjects: [`$KV.${names.kv.slice(3)}.>`], discard: 'new' },
      ...{ max_msgs_per_subject: 1, allow_rollup_hdrs: true, allow_msg_ttl: true },
    },
  ];
}

/** Nanoseconds of a millisecond. */
export const NS = 1_000_000;

function toFacts(infos: readonly [StreamInfo, StreamInfo, StreamInfo, StreamInfo]): StreamFacts {
  const [queues, , topics] = infos;
  const at = BigInt(Date.parse(topics.created)) * 1_000_000n;
  const nanoseconds = BigInt(topics.created.match(/\.(\d+)/)?.[1]?.padEnd(9, '0') ?? 0) % 1_000_000n;
  const { max_age, max_msgs, max_bytes } = topics.config;
  const unbounded = (limit: number): number => (limit > 0 ? limit : Number.POSITIVE_INFINITY);
  return {
    storeId: (at + nanoseconds).toString(36),
    storage: infos.some(({ config }) => config.storage === 'memory') ? 'memory' : 'file',
    replicas: queues.config.num_replicas,
    isAsync: infos.some(({ config }) => config.persist_mode === 'async'),
    maxConsumers: unbounded(queues.config.max_consumers),
    retention: {
      maxAgeMs: unbounded(max_age / NS),
      maxEvents: unbounded(max_msgs),
      maxBytes: unbounded(max_bytes),
    },
  };
}

function checkFacts({ storage, replicas }: StreamFacts, wanted: Settings): void {
  const differs = (name: string, is: unknown, asked: unknown): BusbarError =>
    new BusbarError('CONFLICT', `the streams of this namespace have ${name} ${is}, not ${asked}`, {
      hint: `Leave ${name} out, choose another ns, or change the streams with the nats command.`,
    });
  if (wanted.storage !== undefined && wanted.storage !== storage) throw differs('storage', storage, wanted.storage);
  if (wanted.replicas !== undefined && wanted.replicas !== replicas)
    throw differs('replicas', replicas, wanted.replicas);
}
