/** Watches on entries: what is published of changes, and what was missed while the server was away. */

import { type CallContext, type Cursor, type KeyChange, WatchCursor } from '@busbar/api/driver';
import type { KvChange, KvEntry } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import { toBytes } from '../queues/stored-message.ts';
import { listEntries } from './kv.ts';

const CHANNEL = 'entries';

/** One watch, and what it was told last of each key. */
interface Watching {
  readonly prefix: string;
  readonly cursor: WatchCursor;
  readonly known: Map<string, number>;
  /** The highest revision that was given when it knew all there was. */
  revision: number;
}

export class EntryWatches {
  readonly #link: Link;
  readonly #onEnding: (ms: number) => void;
  readonly #watches = new Set<Watching>();
  #heard: Promise<void> | undefined;

  /** `onEnding` is told in what time an entry ends. */
  constructor(link: Link, onEnding: (ms: number) => void) {
    this.#link = link;
    this.#onEnding = onEnding;
    link.onReturn(() => {
      for (const watching of this.#watches) void this.#catchUp(watching).catch(() => undefined);
    });
  }

  get isEmpty(): boolean {
    return this.#watches.size === 0;
  }

  async open(prefix: string, { deadline }: CallContext): Promise<Cursor<KvChange>> {
    const cursor = new WatchCursor(prefix, () => this.#leave(watching));
    const watching: Watching = { prefix, cursor, known: new Map(), revision: 0 };
    this.#watches.add(watching);
    try {
      this.#heard ??= this.#link.ears.listen(CHANNEL, (payload) => this.#hear(payload));
      await this.#heard;
      const { entries, revision, nextEndMs } = await this.#list(prefix, deadline);
      for (const { key, revision: own } of entries) {
        if (own >= (watching.known.get(key) ?? 0)) watching.known.set(key, own);
      }
      watching.revision = Math.max(watching.revision, revision);
      cursor.begin(entries);
      this.#onEnding(nextEndMs ?? Number.POSITIVE_INFINITY);
      return cursor;
    } catch (error) {
      await cursor.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const { cursor } of this.#watches) await cursor.close();
  }

  #list(prefix: string, deadline: number): ReturnType<typeof listEntries> {
    return listEntries(this.#link, prefix, { limit: Number.POSITIVE_INFINITY, after: undefined }, deadline);
  }

  #hear(payload: Buffer): void {
    const change = readChange(payload);
    if (change.kind === 'put' && change.entry.ttlLeftMs !== undefined) this.#onEnding(change.entry.ttlLeftMs);
    for (const watching of this.#watches) tell(watching, change);
  }

  /** Tells what changed while nothing was heard. */
  async #catchUp(watching: Watching): Promise<void> {
    const since = watching.revision;
    const before = new Map(watching.known);
    const { entries, revision } = await this.#list(watching.prefix, Number.POSITIVE_INFINITY);
    const gone = await this.#goneSince(since);
    const present = new Set(entries.map(({ key }) => key));
    for (const entry of entries) tell(watching, { kind: 'put', entry });
    for (const [key, known] of before) {
      if (present.has(key) || watching.known.get(key) !== known) continue;
      tell(watching, gone.get(key) ?? { kind: 'deleted', key, revision: Math.max(revision, known + 1) });
    }
    watching.revision = Math.max(watching.revision, revision);
  }

  async #goneSince(revision: number): Promise<ReadonlyMap<string, KeyChange>> {
    const bounds = { deadline: Number.POSITIVE_INFINITY, repeat: true };
    const rows = (await this.#link.run(SCRIPTS.gone, [revision], bounds)) as Buffer[];
    const gone = new Map<string, KeyChange>();
    for (let index = 0; index + 1 < rows.length; index += 2) {
      const text = String(rows[index]);
      const key = text.slice(1);
      gone.set(key, { kind: text.startsWith('x') ? 'expired' : 'deleted', key, revision: Number(rows[index + 1]) });
    }
    return gone;
  }

  #leave(watching: Watching): void {
    this.#watches.delete(watching);
    if (this.#watches.size > 0) return;
    this.#heard = undefined;
    this.#link.ears.leave(CHANNEL);
  }
}

/** Tells a change, unless it is known already. */
function tell(watching: Watching, change: KeyChange): void {
  const { key, revision } = change.kind === 'put' ? change.entry : change;
  if (!key.startsWith(watching.prefix)) return;
  if (revision <= (watching.known.get(key) ?? 0)) return;
  watching.revision = Math.max(watching.revision, revision);
  if (change.kind === 'put') watching.known.set(key, revision);
  else watching.known.delete(key);
  watching.cursor.changed(change.kind === 'put' ? { kind: 'put', entry: ownCopy(change.entry) } : change);
}

function ownCopy(entry: KvEntry): KvEntry {
  return { ...entry, value: entry.value.slice() };
}

/** `kind revision created leftUs keyBytes`, a line end, key, value. */
function readChange(payload: Buffer): KeyChange {
  const end = payload.indexOf('\n');
  const [kind, revision, created, leftUs, keyBytes] = payload.toString('latin1', 0, end).split(' ');
  const keyEnd = end + 1 + Number(keyBytes);
  const key = payload.toString('utf8', end + 1, keyEnd);
  if (kind !== 'p') return { kind: kind === 'x' ? 'expired' : 'deleted', key, revision: Number(revision) };
  const ttlLeftMs = leftUs === '0' ? undefined : Number(leftUs) / 1000;
  const value = toBytes(payload.subarray(keyEnd));
  return { kind: 'put', entry: { key, value, revision: Number(revision), createRevision: Number(created), ttlLeftMs } };
}
