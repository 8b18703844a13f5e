/** A watch over entries: after a lost connection only what differs from what was told is told. */

import type { CallContext, Cursor } from '@busbar/api/driver';
import type { KvChange } from '@busbar/api/transport';
import type { Head } from '../wire/frame.ts';
import { readEntry } from '../wire/value-codec.ts';
import type { HubLine } from './hub-client.ts';
import { RemoteCursor } from './remote-cursor.ts';

type Change = Exclude<KvChange, { readonly kind: 'synced' }>;

/** A watch over entries. */
export class RemoteWatch implements Cursor<KvChange> {
  readonly #cursor: RemoteCursor;
  /** The newest revision told of each key that is there. */
  readonly #known = new Map<string, number>();
  /** Keys that were there and have not shown up again since the connection was lost. */
  #missing: Set<string> | undefined;
  #isSynced = false;

  private constructor(line: HubLine, prefix: string) {
    this.#cursor = new RemoteCursor(line, {
      op: 'kv.watch',
      head: () => ({ prefix }),
      opened: () => {
        this.#missing = new Set(this.#known.keys());
      },
    });
  }

  static async open(line: HubLine, prefix: string, context: CallContext): Promise<RemoteWatch> {
    const watch = new RemoteWatch(line, prefix);
    await watch.#cursor.open(context);
    return watch;
  }

  async next(max: number): Promise<readonly KvChange[]> {
    for (;;) {
      const answer = await this.#cursor.next(max);
      if (answer === undefined) return [];
      const { head, bodies } = answer;
      let body = 0;
      const changes = (head['changes'] as readonly Head[]).flatMap((each) =>
        this.#hear(each['kind'] === 'put' ? toPut(each, bodies[body++]) : (each as unknown as KvChange)),
      );
      if (changes.length > 0) return changes;
    }
  }

  close(): Promise<void> {
    this.#cursor.close();
    return Promise.resolve();
  }

  #hear(change: KvChange): readonly KvChange[] {
    return change.kind === 'synced' ? this.#synced() : this.#changed(change);
  }

  /** What was there before and is not any more went while nobody listened. */
  #synced(): readonly KvChange[] {
    const gone = [...(this.#missing ?? [])].map((key): KvChange => {
      const revision = this.#known.get(key) ?? 0;
      this.#known.delete(key);
      return { kind: 'deleted', key, revision };
    });
    this.#missing = undefined;
    if (this.#isSynced) return gone;
    this.#isSynced = true;
    return [...gone, { kind: 'synced' }];
  }

  #changed(change: Change): readonly KvChange[] {
    const key = change.kind === 'put' ? change.entry.key : change.key;
    this.#missing?.delete(key);
    if (change.kind !== 'put') {
      this.#known.delete(key);
      return [change];
    }
    const { revision } = change.entry;
    if ((this.#known.get(key) ?? 0) >= revision) return [];
    this.#known.set(key, revision);
    return [change];
  }
}

function toPut(head: Head, value: Uint8Array | undefined): KvChange {
  return { kind: 'put', entry: readEntry(head, value) };
}
