/** Imports messages of queues. */

import type { ExportedMessage, Message, StateRecord } from '@busbar/api/transport';
import { BATCH_RETRY_MS, BATCH_TRIES, batchesOf } from '../connection/batches.ts';
import type { Lane } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import type { Publication } from '../connection/server-requests.ts';
import { isIncomplete } from '../errors.ts';
import { readAt, ttlHeader } from '../queues/dead-letters.ts';
import type { Ledger } from '../queues/ledger.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import { laneFor } from '../queues/send.ts';
import { type Envelope, encode } from '../queues/stored-message.ts';
import type { ImportContext } from './admin-context.ts';
import { readWindows, windowsOf } from './id-windows.ts';
import { type HeldMessage, type ImportedQueue, importedOf } from './imported-queue.ts';
import type { StoredInLane } from './queue-view.ts';

type ImportedRecord = Extract<StateRecord, { kind: 'message' }>;

/** A message of an import. */
interface ImportedMessage {
  readonly exported: ExportedMessage;
  readonly held: HeldMessage;
}

/** Messages of one queue at a time. */
export class MessageImporter {
  readonly #context: ImportContext;

  constructor(context: ImportContext) {
    this.#context = context;
  }

  /** Stores those that are new, in their order; resolves with how many these are. */
  async import(messages: readonly ImportedRecord[]): Promise<number> {
    const { records, ledgers } = this.#context;
    const [{ queue: name } = { queue: '' }] = messages;
    let queue = await records.ensure(name);
    const own = importedOf(this.#context.imported, queue);
    if (own.upTo === undefined) await this.#read(queue, own);
    else if (this.#context.isOpen) await this.#readNew(queue, own);
    let reading: Promise<Ledger> | undefined;
    const ledger = (): Promise<Ledger> => (reading ??= ledgers.read(name, own.inc));
    const fresh: ImportedMessage[] = [];
    for (const { message: exported } of messages) {
      if (!(await this.#isNew(own, exported, { queue, ledger }))) continue;
      const { message } = exported;
      const held = { sentAt: message.sentAt, lane: laneOf(exported), seq: 0 };
      own.note(message, held);
      fresh.push({ exported, held });
    }
    for (const lane of new Set(fresh.map(({ held }) => held.lane))) {
      if (lane !== 'dead') queue = await records.useLane(queue, lane);
    }
    for (const batch of batchesOf(fresh.map((each) => ({ ...each, ...this.#toPublication(queue, each) })))) {
      await this.#store(queue, own, batch);
      const unsent = batch.filter(({ held }) => held.lane !== 'dead').length;
      if (unsent > 0) await ledgers.append(name, { k: 'u', inc: queue.record.inc, unsent });
    }
    return fresh.length;
  }

  /** Stores messages, all or none. If the connection is lost, it looks whether they are stored. */
  async #store(
    queue: KnownQueue,
    own: ImportedQueue,
    batch: readonly (ImportedMessage & Publication)[],
  ): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        const last = await this.#context.requests.publishAll(batch);
        setSequences(own, batch, last - batch.length + 1);
        return;
      } catch (error) {
        if (!isIncomplete(error) || tries === BATCH_TRIES) throw error;
        await pause(BATCH_RETRY_MS * tries);
        const first = error.isRepeated ? await this.#find(queue, own, batch) : undefined;
        if (first === undefined) continue;
        setSequences(own, batch, first);
        return;
      }
    }
  }

  /** The sequence of the first message of a batch; undefined if it is not stored. */
  async #find(
    queue: KnownQueue,
    { upTo = 0 }: ImportedQueue,
    [first]: readonly ImportedMessage[],
  ): Promise<number | undefined> {
    const { id, topic, sentAt } = first?.exported.message ?? {};
    for await (const page of this.#context.views.stored(queue, upTo + 1)) {
      const found = page.find(
        ({ stored: { message } }) => message.id === id && message.topic === topic && message.sentAt === sentAt,
      );
      if (found !== undefined) return found.stored.seq;
    }
    return undefined;
  }

  /** Whether the queue has neither this message, nor within its window another one that was sent with its id. */
  async #isNew(
    own: ImportedQueue,
    { message }: ExportedMessage,
    at: { readonly queue: KnownQueue; readonly ledger: () => Promise<Ledger> },
  ): Promise<boolean> {
    const { id, topic, sentAt } = message;
    const like: HeldMessage[] = [];
    for (const held of own.like(message)) {
      if (await this.#isHeld(held, at)) like.push(held);
      else own.forget(message, held);
    }
    if (like.some((held) => held.sentAt === sentAt)) return false;
    return topic !== undefined || like.length === 0 || !own.windows.has(id);
  }

  /** Whether the queue still holds a message. It may be settled or purged since it was read. */
  async #isHeld(
    { lane, seq }: HeldMessage,
    { queue, ledger }: { readonly queue: KnownQueue; readonly ledger: () => Promise<Ledger> },
  ): Promise<boolean> {
    if (seq === 0 || !this.#context.isOpen) return true;
    if (lane === 'dead') return (await readAt(this.#context, { queue: queue.name, lane, seq })) !== undefined;
    return !(await ledger()).isSettled(lane, seq);
  }

  #toPublication(
    { name, record: { inc, settings } }: KnownQueue,
    { exported, held: { lane } }: ImportedMessage,
  ): Publication {
    const { data, headers } = encode(toMessage(exported), toEnvelope(this.#context, exported, inc));
    const keep = lane === 'dead' && Number.isFinite(settings.deadTtlMs) ? ttlHeader(settings.deadTtlMs) : {};
    return { subject: this.#context.names.lane(name, lane), data, headers: { ...headers, ...keep } };
  }

  /** Reads what the queue holds. */
  async #read(queue: KnownQueue, own: ImportedQueue): Promise<void> {
    const view = await this.#context.views.view(queue);
    for (const { stored, lane } of view.all) note(own, { stored, lane });
    for (const id of windowsOf(this.#context, view.stored).keys()) own.windows.add(id);
    for await (const page of readWindows(this.#context, queue)) for (const { id } of page) own.windows.add(id);
    own.noteRead(view.stored.at(-1)?.stored.seq ?? 0);
  }

  /** Reads what others have sent since then. */
  async #readNew(queue: KnownQueue, own: ImportedQueue): Promise<void> {
    for await (const page of this.#context.views.stored(queue, (own.upTo ?? 0) + 1)) {
      for (const each of page) if (!own.isImport(each.stored.seq)) note(own, each);
      for (const id of windowsOf(this.#context, page).keys()) own.windows.add(id);
      for (const { stored } of page) own.noteRead(stored.seq);
    }
  }
}

/** The envelope of a message in this life of a queue. */
export function toEnvelope({ clock }: ImportContext, exported: ExportedMessage, inc: string): Envelope {
  const { attempts, history, delayLeftMs, maxAttempts, dead } = exported;
  const { store } = clock;
  const ttlLeftMs = exported.ttlLeftMs ?? exported.ttlMs;
  const ttlMs = exported.ttlMs ?? ttlLeftMs;
  return {
    inc,
    past: { attempts, history },
    ...(delayLeftMs ? { dueAt: Math.ceil(store.dueLate + delayLeftMs) } : {}),
    ...(ttlLeftMs === undefined || ttlLeftMs === null ? {} : { expiresAt: Math.ceil(store.late + ttlLeftMs), ttlMs }),
    ...(maxAttempts === undefined || maxAttempts === null ? {} : { maxAttempts }),
    ...(dead && { dead }),
  };
}

function laneOf(exported: ExportedMessage): Lane {
  const delayMs = exported.delayLeftMs ?? 0;
  return exported.dead === undefined ? laneFor({ ...exported.message, delayMs }) : 'dead';
}

export function toMessage({ message, bodyBase64 }: ExportedMessage): Message {
  return { ...message, body: new Uint8Array(Buffer.from(bodyBase64, 'base64')) };
}

function note(own: ImportedQueue, { stored: { message, seq }, lane }: StoredInLane): void {
  own.note(message, { sentAt: message.sentAt, lane, seq });
}

function setSequences(own: ImportedQueue, batch: readonly ImportedMessage[], first: number): void {
  for (const [index, { held }] of batch.entries()) held.seq = first + index;
  own.noteImport(first, first + batch.length - 1);
}
