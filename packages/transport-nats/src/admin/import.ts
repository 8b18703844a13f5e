/** Imports records of an export. Existing data stays as it is. */

import type { ExportedMessage, Message, StateRecord } from '@busbar/api/transport';
import type { Lane } from '../connection/names.ts';
import { toDriverError } from '../connection/server-requests.ts';
import { ttlHeader } from '../queues/dead-letters.ts';
import { noteId } from '../queues/dedupe.ts';
import { laneFor } from '../queues/send.ts';
import { type Envelope, encode } from '../queues/stored-message.ts';
import { eventId } from '../topics/publish.ts';
import type { AdminContext } from './admin-context.ts';

type Of<K extends StateRecord['kind']> = Extract<StateRecord, { kind: K }>;

export class Importer {
  readonly #context: AdminContext;

  constructor(context: AdminContext) {
    this.#context = context;
  }

  /** One batch, in the order of the export; resolves with how many were new. */
  async import(records: readonly StateRecord[]): Promise<number> {
    const ids = new Map<string, Set<string>>();
    let added = 0;
    try {
      for (const record of records) if (await this.#one(record, ids)) added += 1;
    } catch (error) {
      throw toDriverError(error);
    }
    return added;
  }

  async #one(record: StateRecord, ids: Map<string, Set<string>>): Promise<boolean> {
    switch (record.kind) {
      case 'revision':
        await this.#context.kv.raiseOffset(record.highest);
        return false;
      case 'kv':
        return this.#entry(record);
      case 'event':
        return this.#event(record);
      case 'queue':
        return this.#queue(record);
      case 'dedupe':
        return this.#dedupe(record);
      case 'message': {
        const known = ids.get(record.queue) ?? (await this.#idsOf(record.queue));
        ids.set(record.queue, known);
        if (known.has(record.message.message.id)) return false;
        known.add(record.message.message.id);
        return this.#message(record);
      }
      case 'binding':
        return this.#binding(record);
    }
  }

  async #entry({ key, valueBase64, revision, createRevision, ttlLeftMs }: Of<'kv'>): Promise<boolean> {
    await this.#context.kv.raiseOffset(revision);
    for (;;) {
      const known = await this.#context.kv.read(key);
      if (known !== undefined && this.#context.kv.isAlive(known)) return false;
      const expiresAt = ttlLeftMs === undefined ? undefined : this.#context.kv.clock.late + ttlLeftMs;
      const head = { revision, createRevision, expiresAt, ttlMs: ttlLeftMs };
      if (await this.#context.kv.write(key, Buffer.from(valueBase64, 'base64'), head, known)) return true;
    }
  }

  async #event({ topic, message: exported }: Of<'event'>): Promise<boolean> {
    const { requests, names } = this.#context;
    const message = toMessage(exported);
    const { inc: _, ...envelope } = this.#envelope(exported, '');
    const id = eventId(this.#context.headers.present.incarnation, topic, message.id);
    const { data, headers } = encode({ ...message, topic: undefined }, envelope, id);
    return (await requests.publish(names.topic(topic), data, headers)).duplicate !== true;
  }

  async #queue({ name, settings }: Of<'queue'>): Promise<boolean> {
    const { records, clock } = this.#context;
    if ((await records.read(name)) !== undefined) return false;
    await records.change(name, (known) => known ?? { ...records.newRecord(), settings, usedAt: clock.late });
    return true;
  }

  async #dedupe({ queue: name, id, leftMs }: Of<'dedupe'>): Promise<boolean> {
    const { records, clock } = this.#context;
    const until = clock.late + leftMs;
    const queue = await records.change(name, (known) => {
      const record = known ?? records.newRecord();
      return record.idsUntil >= until && known !== undefined
        ? undefined
        : { ...record, idsUntil: Math.max(until, record.idsUntil) };
    });
    return queue !== undefined && noteId(this.#context, queue, id, leftMs);
  }

  async #message({ queue: name, message: exported }: Of<'message'>): Promise<boolean> {
    const { records, requests, names, ledgers } = this.#context;
    const message = toMessage(exported);
    const delayMs = exported.delayLeftMs ?? 0;
    const isDead = exported.dead !== undefined;
    const sent = { ...message, delayMs, ttlMs: undefined, maxAttempts: undefined };
    const lane: Lane = isDead ? 'dead' : laneFor(sent);
    const queue = await records.ensure(name);
    const { inc } = (isDead ? queue : await records.useLane(queue, lane)).record;
    const { data, headers } = encode(message, this.#envelope(exported, inc));
    const keep =
      isDead && Number.isFinite(queue.record.settings.deadTtlMs) ? ttlHeader(queue.record.settings.deadTtlMs) : {};
    await requests.publish(names.lane(name, lane), data, { ...headers, ...keep });
    if (!isDead) await ledgers.append(name, { k: 'u', inc, unsent: 1 });
    return true;
  }

  async #binding({ queue, pattern }: Of<'binding'>): Promise<boolean> {
    const known = await this.#context.records.read(queue);
    if (known?.record.bindings.some((binding) => binding.pattern === pattern)) return false;
    await this.#context.bindings.bind(queue, pattern, await this.#context.cursors.resolve('new'));
    return true;
  }

  #envelope(exported: ExportedMessage, inc: string): Envelope {
    const { attempts, history, delayLeftMs, maxAttempts, dead } = exported;
    const now = this.#context.clock.late;
    const ttlLeftMs = exported.ttlLeftMs ?? exported.ttlMs;
    const ttlMs = exported.ttlMs ?? ttlLeftMs;
    return {
      inc,
      ...(attempts > 0 || history.length > 0 ? { past: { attempts, history } } : {}),
      ...(delayLeftMs ? { dueAt: now + delayLeftMs } : {}),
      ...(ttlLeftMs === undefined || ttlLeftMs === null ? {} : { expiresAt: now + ttlLeftMs, ttlMs }),
      ...(maxAttempts === undefined || maxAttempts === null ? {} : { maxAttempts }),
      ...(dead && { dead }),
    };
  }

  async #idsOf(name: string): Promise<Set<string>> {
    const view = await this.#context.views.open(name);
    return new Set(view?.all.map(({ stored }) => stored.message.id));
  }
}

function toMessage({ message, bodyBase64 }: ExportedMessage): Message {
  return { ...message, body: new Uint8Array(Buffer.from(bodyBase64, 'base64')) };
}
