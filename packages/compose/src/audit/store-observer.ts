/** Finds what happens inside the store and records it: expiry, ends of leases, dead letters, and messages that are gone. */

import { setTimeout } from 'node:timers/promises';
import type { BrowsedMessage, From, TopicSubscription, Transport } from '@busbar/api/transport';
import type { Duty } from './log-presence.ts';
import type { LogWriter } from './log-writer.ts';
import { type AuditRecord, parseBatch, type RecordBatch, type RecordFields, TOPIC, UNSETTLED } from './record.ts';

/** A message that is not known to be over. */
interface OpenMessage {
  readonly id: string;
  /** When it was first recorded. */
  readonly since: number;
  action: AuditRecord['action'];
  attempt: number;
  /** When its time to live ends. */
  endsAt: number;
  /** When it was recorded or looked at last, by this process. */
  seenAt: number;
  /** What the last look found. The next one confirms it, since a record of another process may be under way. */
  suspicion: string | undefined;
}

/** Messages of one look, and those of a queue that are followed. */
const MAX_LOOK = 1_000;
const MAX_FOLLOWED = 200_000;
/** It rests this many times as long as it reads the log, so that it takes little of the time of its process. */
const REST = 39;
/** The same for its looks into the store: a look at a long queue on NATS reads all of it. */
const LOOK_REST = 9;
/** Batches that it reads without a rest. */
const MAX_BATCHES = 4;
const CALL_MS = 5_000;
/** A new observer begins this much earlier, since clocks differ. */
const SKEW_MS = 60_000;

const OVER: ReadonlySet<AuditRecord['action']> = new Set([
  ...(['acked', 'rejected', 'dead', 'expired', 'gone', 'cancelled'] as const),
]);
const PENDING: ReadonlySet<AuditRecord['action']> = new Set([
  ...(['sent', 'unknown', 'duplicate', 'delivered', 'retried', 'released', 'rescheduled', 'lease-ended'] as const),
]);

/** Follows the log, and compares it with the store. */
export class StoreObserver implements Duty {
  readonly #store: Transport;
  readonly #writer: LogWriter;
  readonly #process: string;
  readonly #lookMs: number;
  /** By queue and id. Those that were looked at last come last. */
  readonly #open = new Map<string, Map<string, OpenMessage>>();
  #subscription: TopicSubscription | undefined;
  /** The number of its last record `observing`. When it has read it, it knows what was recorded before. */
  #marker: number | undefined;
  #isCurrent = false;
  /** When it may look again. */
  #nextLook = 0;
  #resting = new AbortController();

  constructor({
    store,
    writer,
    process,
    lookMs,
  }: { readonly store: Transport; readonly writer: LogWriter; readonly process: string; readonly lookMs: number }) {
    this.#store = store;
    this.#writer = writer;
    this.#process = process;
    this.#lookMs = lookMs;
  }

  async begin(log: Transport): Promise<void> {
    this.#open.clear();
    this.#resting = new AbortController();
    const since = await log.kv.get(UNSETTLED, { timeoutMs: CALL_MS });
    const from: From = since === undefined ? 'start' : { time: Number(Buffer.from(since.value).toString()) };
    const options = { from, max: MAX_BATCHES, timeoutMs: CALL_MS };
    this.#subscription = await log.topics.subscribe(TOPIC, options, async (events) => {
      const began = performance.now();
      for (const { body } of events) this.#take(parseBatch(body, false));
      // At the end of the log more comes in batches, since each wake-up has its cost.
      const isAtEnd = events.length < MAX_BATCHES;
      await this.#rest(Math.max((performance.now() - began) * REST, isAtEnd ? this.#lookMs / 2 : 0));
    });
    this.#mark();
  }

  /** Looks at messages without a recent record. What it suspects, the next look confirms when it has read all records of before. */
  async look(log: Transport): Promise<void> {
    const began = performance.now();
    if (!this.#isCurrent || began < this.#nextLook) return;
    const before = began - this.#lookMs;
    let left = MAX_LOOK;
    let isSuspicious = false;
    for (const [queue, messages] of [...this.#open]) {
      const due = dueOf(messages, before, left);
      left -= due.length;
      if (due.length > 0) await this.#lookAt(queue, messages, due);
      isSuspicious ||= due.some(({ suspicion }) => suspicion !== undefined);
      // The next look begins with the other queues.
      this.#open.delete(queue);
      if (messages.size > 0) this.#open.set(queue, messages);
      if (left === 0) break;
    }
    if (isSuspicious) this.#mark();
    const ended = performance.now();
    this.#nextLook = ended + (ended - began) * LOOK_REST;
    const unsettled = this.#oldest() - SKEW_MS;
    await log.kv.put(UNSETTLED, Buffer.from(String(unsettled)), { timeoutMs: CALL_MS });
  }

  async end(): Promise<void> {
    this.#open.clear();
    this.#resting.abort();
    await this.#subscription?.close();
  }

  async #rest(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { ref: false, signal: this.#resting.signal }).catch(() => undefined);
  }

  /** When the oldest message that is not over was recorded. */
  #oldest(): number {
    let oldest = Date.now();
    for (const messages of this.#open.values()) {
      for (const { since } of messages.values()) oldest = Math.min(oldest, since);
    }
    return oldest;
  }

  #mark(): void {
    this.#isCurrent = false;
    this.#marker = this.#writer.write({ action: 'observing' });
  }

  #take(batch: RecordBatch | undefined): void {
    for (const record of batch?.records ?? []) {
      const isOwn = batch?.process === this.#process;
      if (isOwn && this.#marker !== undefined && record.n >= this.#marker) this.#isCurrent = true;
      const { queue, action } = record;
      if (queue === undefined) continue;
      const { items = record.id === undefined ? [] : [[record.id, record.attempt] as const] } = record;
      for (const [id, attempt] of items) {
        if (OVER.has(action)) this.#open.get(queue)?.delete(id);
        else if (PENDING.has(action)) this.#follow(queue, id, record, attempt);
      }
    }
  }

  #follow(queue: string, id: string, { at, action, ttlMs, delayMs }: AuditRecord, attempt: number | undefined): void {
    // A message that was returned with a delay is not looked at before it is due.
    const seenAt = performance.now() + (action === 'retried' || action === 'released' ? (delayMs ?? 0) : 0);
    let messages = this.#open.get(queue);
    if (messages === undefined) {
      messages = new Map();
      this.#open.set(queue, messages);
    }
    const known = messages.get(id);
    if (known !== undefined) {
      if (action !== 'duplicate') known.action = action;
      known.attempt = attempt ?? known.attempt;
      known.seenAt = seenAt;
      known.suspicion = undefined;
    } else if (action !== 'duplicate' && messages.size < MAX_FOLLOWED) {
      // The first of a duplicate may be over. Beyond the limit messages are not followed.
      const endsAt = ttlMs === undefined ? Number.POSITIVE_INFINITY : at + ttlMs;
      messages.set(id, { id, since: at, action, attempt: attempt ?? 0, endsAt, seenAt, suspicion: undefined });
    }
  }

  async #lookAt(queue: string, messages: Map<string, OpenMessage>, due: readonly OpenMessage[]): Promise<void> {
    const ids = due.map(({ id }) => id);
    const asked = performance.now();
    const page = await this.#store.admin.browse(queue, { ids, limit: MAX_LOOK, timeoutMs: CALL_MS });
    const found = new Map(page.messages.map((browsed) => [browsed.message.id, browsed]));
    for (const message of due) {
      // It has a newer record, or is over.
      if (message.seenAt > asked || messages.get(message.id) !== message) continue;
      messages.delete(message.id);
      const finding = findingOf(message, found.get(message.id));
      const suspicion = finding && `${finding.action} ${finding.attempt ?? ''}`;
      if (finding !== undefined && suspicion === message.suspicion) {
        this.#writer.write({ ...finding, id: message.id, queue });
        if (OVER.has(finding.action)) continue;
        message.action = finding.action;
      }
      messages.set(message.id, Object.assign(message, { suspicion, seenAt: asked }));
    }
  }
}

/** Up to `most` messages without a record or a look since `before`. */
function dueOf(messages: ReadonlyMap<string, OpenMessage>, before: number, most: number): OpenMessage[] {
  const due: OpenMessage[] = [];
  for (const message of messages.values()) {
    if (due.length === most) break;
    if (message.seenAt <= before) due.push(message);
  }
  return due;
}

/** What has happened to a message since its last record. */
function findingOf(
  { action, attempt, endsAt }: OpenMessage,
  found: BrowsedMessage | undefined,
): RecordFields | undefined {
  if (found === undefined) return { action: Date.now() >= endsAt ? 'expired' : 'gone' };
  if (found.state === 'dead') return { action: 'dead', reason: found.dead?.reason };
  const hasEnded = action === 'delivered' && (found.state !== 'leased' || found.attempts > attempt);
  return hasEnded ? { action: 'lease-ended', attempt } : undefined;
}
