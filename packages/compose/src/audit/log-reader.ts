/** Reads the log up to its present end, and finds what is missing in it. */

import type { From, TopicSubscription, Transport } from '@busbar/api/transport';
import { ALIVE, type AuditRecord, parseBatch, type RecordBatch, single, TOPIC } from './record.ts';

/** Records that are missing in the log. */
export interface LogGap {
  readonly process: string;
  readonly program: string | undefined;
  /** How many; undefined for a process that ended without closing, which may have lost its last records. */
  readonly count: number | undefined;
  /** The time of the last record before it. */
  readonly after: number;
  /** The time of the first record behind it. */
  readonly before: number | undefined;
  readonly reason: string;
}

/** A record and its process. */
export interface LogRecord extends AuditRecord {
  readonly process: string;
}

/** What a part of the log says. */
export interface LogContents {
  /** In the order of the log. */
  readonly records: readonly LogRecord[];
  readonly gaps: readonly LogGap[];
}

export interface ReadLogOptions {
  /** Where to begin: at the oldest record, or at a time in milliseconds since 1970. */
  readonly from?: Exclude<From, 'new'> | undefined;
  /** Records for which it is false are left out. */
  readonly filter?: ((record: LogRecord) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Without comparable positions the log ends after this time without a record. */
const QUIET_MS = 300;
const LOOK_MS = 2;
/** A process without a sign of life that recorded something within this time may have just begun. */
const FRESH_MS = 3_000;

/** Reads the log. */
export async function readLog(
  log: Transport,
  { from = 'start', filter, signal }: ReadLogOptions = {},
): Promise<LogContents> {
  const records: LogRecord[] = [];
  const processes = new Processes();
  // Before the log, so that a process that ends meanwhile is not missed.
  const alive = await aliveProcesses(log);
  await eachBatch(log, from, signal, ({ process, records: batch }) => {
    for (const each of batch) {
      if (!processes.take(process, each)) continue;
      for (const record of single({ ...each, process })) if (filter?.(record) ?? true) records.push(record);
    }
  });
  return { records, gaps: processes.gaps(alive) };
}

async function eachBatch(
  log: Transport,
  from: From,
  signal: AbortSignal | undefined,
  onBatch: (batch: RecordBatch) => void,
): Promise<void> {
  const end = await presentEnd(log);
  let readAt = performance.now();
  let isOver = false;
  await using subscription = await log.topics.subscribe(TOPIC, { from, signal }, (events) => {
    readAt = performance.now();
    for (const { body, position } of events) {
      isOver ||= end !== undefined && position !== undefined && position > end;
      const batch = isOver ? undefined : parseBatch(body);
      if (batch !== undefined) onBatch(batch);
    }
  });
  let error: unknown;
  let hasEnded = false;
  void subscription.ended.then((reason) => {
    hasEnded = true;
    error = reason;
  });
  while (!isOver && !hasEnded && !isAtEnd(subscription, end, readAt)) {
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  if (error !== undefined) throw error;
}

/** The position after the last record; undefined if positions are not comparable. */
async function presentEnd({ topics, capabilities }: Transport): Promise<string | undefined> {
  if (!capabilities.features.comparablePositions) return undefined;
  await using probe = await topics.subscribe(TOPIC, { from: 'new' }, () => undefined);
  return probe.position;
}

function isAtEnd({ position }: TopicSubscription, end: string | undefined, readAt: number): boolean {
  if (end !== undefined && position !== undefined) return position >= end;
  return performance.now() - readAt > QUIET_MS;
}

async function aliveProcesses({ kv }: Transport): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (let after: string | undefined; ; ) {
    const entries = await kv.list(ALIVE, { ...(after !== undefined && { after }) });
    for (const { key } of entries) names.add(key.slice(ALIVE.length));
    after = entries.at(-1)?.key;
    if (entries.length < 1_000) return names;
  }
}

interface ProcessState {
  next: number;
  at: number;
  program: string | undefined;
  hasEnded: boolean;
}

/** Follows the numbers of each process. */
class Processes {
  readonly #states = new Map<string, ProcessState>();
  readonly #gaps: LogGap[] = [];

  /** Takes the next record. Returns false for one that is known. */
  take(process: string, { n, at, action, program, count, reason }: AuditRecord): boolean {
    let state = this.#states.get(process);
    if (state === undefined) {
      // What the log has no longer, or what was not asked for, is no gap.
      state = { next: n, at, program, hasEnded: false };
      this.#states.set(process, state);
    }
    if (n < state.next) return false;
    // A gap that a process says itself has a better reason.
    const missing = n - state.next;
    if (missing > 0) {
      const why = action === 'gap' && count === missing ? reason : undefined;
      this.#add(process, state, { count: missing, before: at, reason: why ?? 'records are missing in the log' });
    }
    Object.assign(state, { next: n + 1, at, hasEnded: action === 'end' });
    return true;
  }

  /** All gaps, in the order of their time. */
  gaps(alive: ReadonlySet<string>): LogGap[] {
    for (const [process, state] of this.#states) {
      if (state.hasEnded || alive.has(process) || Date.now() - state.at < FRESH_MS) continue;
      this.#add(process, state, { count: undefined, before: undefined, reason: 'the process ended without closing' });
    }
    return this.#gaps.toSorted((one, other) => one.after - other.after);
  }

  #add(process: string, { program, at }: ProcessState, gap: Pick<LogGap, 'count' | 'before' | 'reason'>): void {
    this.#gaps.push({ process, program, after: at, ...gap });
  }
}
