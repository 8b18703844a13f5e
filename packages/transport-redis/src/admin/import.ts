/** Records of an export, taken in. What is there already, by id, key or name, stays as it is. */

import type { ExportedMessage, Message, StateRecord } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import type { Argument } from '../connection/connection.ts';
import { SCRIPTS, type ScriptName } from '../lua/scripts.ts';
import type { Settings } from '../options.ts';
import { NEW_QUEUE, newQueueJson } from '../queues/queue-settings.ts';
import { keyOf, toContent, writeTries } from '../queues/stored-message.ts';

/** Messages of one script, and events of one read. */
const STEP = 100;
const PAGE = 1000;
/** After a pause the log may have changed without this import. */
const FRESH_MS = 1000;

type RecordOf<K extends StateRecord['kind']> = Extract<StateRecord, { kind: K }>;

export class Importer {
  readonly #link: Link;
  readonly #settings: Settings;
  /** Topics and ids of the events that the log has. */
  #events: Set<string> | undefined;
  #usedAt = 0;

  constructor(link: Link, settings: Settings) {
    this.#link = link;
    this.#settings = settings;
  }

  /** The log may have changed. */
  forget(): void {
    this.#events = undefined;
  }

  /** Takes records in, in their order. How many were new. */
  async take(records: readonly StateRecord[], deadline: number): Promise<number> {
    let count = 0;
    for (let from = 0; from < records.length; ) {
      const first = records[from] as StateRecord;
      let to = from + 1;
      while (to < records.length && to - from < STEP && isAlike(first, records[to] as StateRecord)) to += 1;
      count += await this.#takeSome(records.slice(from, to), deadline);
      from = to;
    }
    return count;
  }

  async #takeSome(records: readonly StateRecord[], deadline: number): Promise<number> {
    const [first] = records;
    if (first?.kind === 'message') {
      const args = (records as RecordOf<'message'>[]).flatMap(({ message }) => toArguments(message));
      return this.#run('importMessages', [first.queue, NEW_QUEUE, ...args], deadline);
    }
    if (first?.kind === 'dedupe') {
      const args = (records as RecordOf<'dedupe'>[]).flatMap(({ id, leftMs }) => [keyOf(id), leftMs]);
      return this.#run('importIds', [first.queue, NEW_QUEUE, ...args], deadline);
    }
    let count = 0;
    for (const record of records) count += await this.#takeOne(record, deadline);
    return count;
  }

  async #takeOne(record: StateRecord, deadline: number): Promise<number> {
    switch (record.kind) {
      case 'queue':
        return this.#run('importQueue', [record.name, newQueueJson(record.settings)], deadline);
      case 'binding':
        return this.#run('importBinding', [record.queue, record.pattern, NEW_QUEUE, ''], deadline);
      case 'event':
        return this.#takeEvent(record, deadline);
      case 'kv':
        return this.#takeEntry(record, deadline);
      case 'revision':
        return this.#run('importRevision', [record.highest], deadline);
      default:
        return 0;
    }
  }

  async #takeEvent({ topic, message }: RecordOf<'event'>, deadline: number): Promise<number> {
    const { key, head, body } = toContent(toStamped(message));
    const events = await this.#knownEvents(deadline);
    const name = `${topic}\n${key}`;
    if (events.has(name)) return 0;
    events.add(name);
    const args = [topic, this.#settings.topicDedupeMs, key, head, body, message.message.sentAt];
    return this.#run('importEvent', args, deadline);
  }

  #takeEntry(record: RecordOf<'kv'>, deadline: number): Promise<number> {
    const { key, valueBase64, revision, createRevision, ttlLeftMs } = record;
    const value = Buffer.from(valueBase64, 'base64');
    return this.#run('importEntry', [key, value, revision, createRevision, ttlLeftMs ?? ''], deadline);
  }

  /** What the log has: read once an import, since an id may be forgotten that stands there still. */
  async #knownEvents(deadline: number): Promise<Set<string>> {
    const isFresh = performance.now() - this.#usedAt < FRESH_MS;
    this.#usedAt = performance.now();
    if (this.#events !== undefined && isFresh) return this.#events;
    const known = new Set<string>();
    let after = '-';
    for (let isMore = true; isMore; ) {
      const bounds = { deadline, repeat: true };
      const page = (await this.#link.run(SCRIPTS.eventKeys, [after, PAGE], bounds)) as Buffer[];
      for (let index = 0; index + 1 < page.length; index += 2) known.add(String(page[index + 1]));
      after = page.length === 0 ? after : `(${page.at(-2)}`;
      isMore = page.length === 2 * PAGE;
    }
    this.#events = known;
    return known;
  }

  async #run(name: ScriptName, args: readonly Argument[], deadline: number): Promise<number> {
    return Number(await this.#link.run(SCRIPTS[name], args, { deadline, repeat: true }));
  }
}

/** What one script can take. */
function isAlike(one: StateRecord, other: StateRecord): boolean {
  return 'queue' in one && 'queue' in other && one.kind === other.kind && one.queue === other.queue;
}

function toArguments(exported: ExportedMessage): Argument[] {
  const { key, head, body } = toContent(toStamped(exported));
  const tries = writeTries(exported.attempts, exported.history);
  const { dead } = exported;
  return [key, head, body, tries, dead ? `${Math.floor(dead.at)} ${dead.reason}` : ''];
}

/** A record that has been a line of a file lacks what was undefined, or has null. */
function toStamped(exported: ExportedMessage): Parameters<typeof toContent>[0] {
  const message: Message = { ...exported.message, body: Buffer.from(exported.bodyBase64, 'base64') };
  return {
    ...message,
    delayMs: exported.delayLeftMs ?? 0,
    ttlMs: exported.ttlLeftMs ?? undefined,
    maxAttempts: exported.maxAttempts ?? undefined,
  };
}
