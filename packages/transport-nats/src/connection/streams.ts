/** The streams of a namespace on the server. */

import { BusbarError } from '@busbar/api/transport';
import { ignoreRefusalOf, toDriverError } from '../errors.ts';
import { streamSubjects } from '../gate/stream-subjects.ts';
import type { Settings } from '../options.ts';
import type { Names } from './names.ts';
import type { Bounds } from './request-inbox.ts';
import type { ServerClock } from './server-clock.ts';
import type { ServerRequests } from './server-requests.ts';

/** How long the server remembers the id of a message. */
export const DEDUPE_MS = 120_000;

/** Facts about the streams of a namespace. */
export interface StreamFacts {
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
  /** Whether the server answers before it has written (`persist_mode: async`). */
  readonly isAsync: boolean;
  /** How many consumers the queues may have; each queue has at least one. */
  readonly maxConsumers: number;
  readonly retention: { readonly maxAgeMs: number; readonly maxEvents: number; readonly maxBytes: number };
}

/** The streams of a namespace as they are. */
export interface StreamsState {
  /** Identifies them: a stream that is made again has another time of creation. */
  readonly created: string;
  /** The id of the store in positions of topics. */
  readonly storeId: string;
  /** Their last sequences. */
  readonly last: readonly { readonly stream: string; readonly seq: number }[];
}

/** The server's info of a stream. */
export interface StreamInfo {
  readonly config: {
    readonly name: string;
    readonly subjects?: readonly string[];
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
    const [queues, ledger, topics, kv] = await ensureAll(requests, names, clock, settings);
    const facts = toFacts([queues, ledger, await adapt(requests, names, topics, settings), kv]);
    checkFacts(facts, settings);
    return facts;
  } catch (error) {
    throw toDriverError(error);
  }
}

/** Creates missing streams again, like those that `facts` describe. Resolves with the state and the subjects of all. */
export async function restoreStreams(
  requests: ServerRequests,
  names: Names,
  clock: ServerClock,
  { settings, facts }: { readonly settings: Settings; readonly facts: StreamFacts },
): Promise<StreamsState & { readonly subjects: readonly (readonly string[])[] }> {
  const { storage, replicas, retention } = facts;
  const infos = await ensureAll(requests, names, clock, { ...settings, storage, replicas, retention });
  return {
    created: infos.map(({ created }) => created).join(' '),
    storeId: storeIdOf(infos[2]),
    subjects: infos.map(({ config }) => config.subjects ?? []),
    last: infos.map(({ config: { name }, state }) => ({ stream: name, seq: state.last_seq })),
  };
}

type FourInfos = readonly [StreamInfo, StreamInfo, StreamInfo, StreamInfo];

/** A stream that is made beside existing ones begins after every sequence that its predecessor can have had. */
async function ensureAll(
  requests: ServerRequests,
  names: Names,
  clock: ServerClock,
  settings: Settings,
): Promise<FourInfos> {
  const configs = configsOf(names, settings);
  const find = ({ name }: { readonly name: string }): Promise<StreamInfo | undefined> =>
    findStream(requests, clock, name);
  const found = await Promise.all(configs.map(find));
  const begin = found.some((info) => info !== undefined) ? { first_seq: Math.floor(clock.late * 1_000) } : {};
  const infos = configs.map((config, index) => found[index] ?? createStream(requests, clock, { ...config, ...begin }));
  return (await Promise.all(infos)) as unknown as FourInfos;
}

/** Reads the info of a stream, with the number of messages of each subject that matches `filter`. */
export async function streamInfo(
  requests: ServerRequests,
  clock: ServerClock,
  name: string,
  filter?: string,
  bounds?: Bounds,
): Promise<StreamInfo> {
  const sentAt = performance.now();
  const info = await requests.api<StreamInfo>(`STREAM.INFO.${name}`, filter && { subjects_filter: filter }, bounds);
  clock.heard(Date.parse(info.ts), sentAt, performance.now());
  return info;
}

function findStream(requests: ServerRequests, clock: ServerClock, name: string): Promise<StreamInfo | undefined> {
  return streamInfo(requests, clock, name, undefined, checkBounds()).catch(ignoreRefusalOf(NOT_FOUND));
}

async function createStream(
  requests: ServerRequests,
  clock: ServerClock,
  config: Record<string, unknown> & { readonly name: string },
): Promise<StreamInfo> {
  // Another client may make it meanwhile.
  await requests.api(`STREAM.CREATE.${config.name}`, config, checkBounds()).catch(ignoreRefusalOf(NAME_IN_USE));
  return streamInfo(requests, clock, config.name, undefined, checkBounds());
}

/** The bounds of a request of the check of the store. */
export function checkBounds(): Bounds {
  return { deadline: performance.now() + CHECK_MS, isCheck: true };
}

const CHECK_MS = 10_000;

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
  const own = [
    { discard: 'new', allow_atomic: true, allow_msg_ttl: true },
    { discard: 'new', allow_rollup_hdrs: true },
    { discard: 'old', ...boundsOf(settings), ...windowOf(settings) },
    { discard: 'new', max_msgs_per_subject: 1, allow_rollup_hdrs: true, allow_msg_ttl: true },
  ];
  return streamSubjects(names).map(({ stream, open }, index) => ({
    ...{ ...shared, name: stream, subjects: open, ...own[index] },
  }));
}

/** Nanoseconds of a millisecond. */
export const NS = 1_000_000;

function toFacts(infos: readonly [StreamInfo, StreamInfo, StreamInfo, StreamInfo]): StreamFacts {
  const [queues, , topics] = infos;
  const { max_age, max_msgs, max_bytes } = topics.config;
  const unbounded = (limit: number): number => (limit > 0 ? limit : Number.POSITIVE_INFINITY);
  return {
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

/** Tells the topics of a namespace from any that had, or will have, its name. */
function storeIdOf({ created }: StreamInfo): string {
  const at = BigInt(Date.parse(created)) * 1_000_000n;
  const nanoseconds = BigInt(created.match(/\.(\d+)/)?.[1]?.padEnd(9, '0') ?? 0) % 1_000_000n;
  return (at + nanoseconds).toString(36);
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
