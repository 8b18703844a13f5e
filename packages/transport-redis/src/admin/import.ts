/** Imports exported records. A record whose id, key or name exists already changes nothing. */

import { fromExportedMessage } from '@busbar/api/driver';
import type { ExportedMessage, StateRecord } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { Argument } from '../connection/encode-command.ts';
import { BIND } from '../lua/bindings.ts';
import { EVENT_KEYS } from '../lua/event-log.ts';
import { IMPORT_DEDUPE_IDS, IMPORT_EVENT, IMPORT_KV, IMPORT_MESSAGES, IMPORT_REVISION } from '../lua/import.ts';
import { CONFIGURE } from '../lua/queues.ts';
import { atGateRevision, type Script } from '../lua/script.ts';
import type { Settings } from '../options.ts';
import { NEW_QUEUE, newQueueJson } from '../queues/settings.ts';
import { formatAttempts, joinStored, keyOf, toStoredMessage } from '../queues/stored-message.ts';

/** Records of one round trip, and events of one read. */
const STEP = 100;
const PAGE = 1000;
/** The known events are read again after a pause of this length, since other clients may have changed the log. */
const KNOWN_EVENTS_MS = 1000;

/** The bounds of one import. With `gateRevision` it is the import of a move. */
export interface ImportBounds {
  readonly deadline: number;
  readonly gateRevision: number | undefined;
}

type RecordOf<K extends StateRecord['kind']> = Extract<StateRecord, { kind: K }>;

export class Importer {
  readonly #client: ReconnectingClient;
  readonly #settings: Settings;
  /** Topic and key of each event in the log. */
  #knownEvents: Set<string> | undefined;
  #usedAt = 0;

  constructor(client: ReconnectingClient, settings: Settings) {
    this.#client = client;
    this.#settings = settings;
  }

  /** Call it when the log was cleared. */
  forgetEvents(): void {
    this.#knownEvents = undefined;
  }

  /** Imports records in their order. Returns how many were new. */
  async importAll(records: readonly StateRecord[], bounds: ImportBounds): Promise<number> {
    let count = 0;
    let last = Promise.resolve(0);
    for (let from = 0; from < records.length; ) {
      const first = records[from] as StateRecord;
      let to = from + 1;
      while (to < records.length && to - from < STEP && shareGroup(first, records[to] as StateRecord)) to += 1;
      // Before the next group is sent: two that wait here beside each other could change places.
      if (first.kind === 'event') await this.#loadKnownEvents(bounds);
      // The server works on one group while the next one is encoded.
      const group = this.#importGroup(first, records.slice(from, to), bounds);
      group.catch(() => undefined); // It rejects in its turn.
      count += await last;
      last = group;
      from = to;
    }
    return count + (await last);
  }

  async #importGroup(first: StateRecord, records: readonly StateRecord[], bounds: ImportBounds): Promise<number> {
    if (first.kind === 'message') {
      const args = (records as RecordOf<'message'>[]).flatMap(({ message }) => toArguments(message));
      return this.#run(IMPORT_MESSAGES, [first.queue, NEW_QUEUE, ...args], bounds);
    }
    if (first.kind === 'dedupe') {
      const args = (records as RecordOf<'dedupe'>[]).flatMap(({ id, leftMs }) => {
        const key = keyOf(id);
        return [key, leftMs, key === id ? '' : id];
      });
      return this.#run(IMPORT_DEDUPE_IDS, [first.queue, NEW_QUEUE, ...args], bounds);
    }
    const counts = await Promise.all(records.map((record) => this.#importOne(record, bounds)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async #importOne(record: StateRecord, bounds: ImportBounds): Promise<number> {
    switch (record.kind) {
      case 'queue':
        return this.#run(CONFIGURE, [record.name, newQueueJson(record.settings, record.totals)], bounds);
      case 'binding':
        return this.#run(BIND, [record.queue, record.pattern, NEW_QUEUE, ''], bounds);
      case 'event':
        return this.#importEvent(record, bounds);
      case 'kv':
        return this.#importEntry(record, bounds);
      case 'revision':
        return this.#run(IMPORT_REVISION, [record.highest], bounds);
      default:
        return 0;
    }
  }

  async #importEvent({ topic, message }: RecordOf<'event'>, bounds: ImportBounds): Promise<number> {
    const { key, envelope, body } = toStoredMessage(fromExportedMessage(message));
    const name = `${topic}\n${key}`;
    if (this.#knownEvents?.has(name)) return 0;
    this.#knownEvents?.add(name);
    const args = [topic, this.#settings.topicDedupeMs, key, envelope, body, message.message.sentAt];
    return this.#run(IMPORT_EVENT, args, bounds);
  }

  #importEntry(record: RecordOf<'kv'>, bounds: ImportBounds): Promise<number> {
    const { key, valueBase64, revision, createRevision, ttlLeftMs } = record;
    const value = Buffer.from(valueBase64, 'base64');
    return this.#run(IMPORT_KV, [key, value, revision, createRevision, ttlLeftMs ?? ''], bounds);
  }

  /** The log is the source, since the dedupe memory forgets ids of events that the log still holds. */
  async #loadKnownEvents(bounds: ImportBounds): Promise<void> {
    const isFresh = performance.now() - this.#usedAt < KNOWN_EVENTS_MS;
    this.#usedAt = performance.now();
    if (this.#knownEvents !== undefined && isFresh) return;
    const known = new Set<string>();
    let after = '-';
    for (let isMore = true; isMore; ) {
      const page = (await this.#client.run(EVENT_KEYS, [after, PAGE], {
        deadline: bounds.deadline,
        repeat: true,
      })) as Buffer[];
      for (let index = 0; index + 1 < page.length; index += 2) known.add(String(page[index + 1]));
      after = page.length === 0 ? after : `(${page.at(-2)}`;
      isMore = page.length === 2 * PAGE;
    }
    this.#knownEvents = known;
  }

  async #run(script: Script, args: readonly Argument[], bounds: ImportBounds): Promise<number> {
    const { deadline, gateRevision } = bounds;
    const [own, ownArgs] = gateRevision === undefined ? [script, args] : [atRevision(script), [...args, gateRevision]];
    return Number(await this.#client.runNow(own, ownArgs, { deadline, repeat: true }));
  }
}

/** The scripts of a move. */
const AT_REVISION = new Map<Script, Script>();

function atRevision(script: Script): Script {
  const known = AT_REVISION.get(script) ?? atGateRevision(script);
  AT_REVISION.set(script, known);
  return known;
}

/** Whether both are imported together: by one script, or by scripts of one round trip. */
function shareGroup(one: StateRecord, other: StateRecord): boolean {
  if (one.kind !== other.kind) return false;
  return 'queue' in one && 'queue' in other ? one.queue === other.queue : one.kind === 'kv' || one.kind === 'event';
}

function toArguments(exported: ExportedMessage): Argument[] {
  const message = fromExportedMessage(exported);
  const stored = toStoredMessage(message);
  const { dead, ttlLeftMs } = exported;
  const deadReason = dead ? `${Math.floor(dead.at)} ${dead.reason}` : '';
  return [stored.key, joinStored(stored), formatAttempts(exported), deadReason, ttlLeftMs ?? '', message.sentAt];
}
