/** A watch on the keys of a hub's store. After a lost connection it reports only what changed meanwhile. */

import type { CallContext, Cursor, KeyChange } from '@busbar/api/driver';
import type { KvChange } from '@busbar/api/transport';
import type { Header } from '@busbar/wire';
import { decodeEntry } from '../wire/value-codec.ts';
import type { HubClient } from './hub-client.ts';
import { RemoteCursor } from './remote-cursor.ts';

export class RemoteWatch implements Cursor<KvChange> {
  readonly #cursor: RemoteCursor;
  /** The newest reported revision of each existing key. */
  readonly #revisions = new Map<string, number>();
  /** Keys that existed before the connection was lost and have not been reported since. */
  #missing: Set<string> | undefined;
  /** Keys whose deletion was reported without an event. Their events may still come. */
  #reportedDeleted = new Set<string>();
  #isSynced = false;

  private constructor(client: HubClient, prefix: string) {
    this.#cursor = new RemoteCursor(client, {
      op: 'kv.watch',
      header: () => ({ prefix }),
      onOpened: () => {
        this.#missing = new Set(this.#revisions.keys());
      },
    });
  }

  static async open(client: HubClient, prefix: string, context: CallContext): Promise<RemoteWatch> {
    const watch = new RemoteWatch(client, prefix);
    await watch.#cursor.open(context);
    return watch;
  }

  async next(max: number): Promise<readonly KvChange[]> {
    for (;;) {
      const response = await this.#cursor.next(max);
      if (response === undefined) return [];
      const { header, bodies } = response;
      let body = 0;
      const changes = (header['changes'] as readonly Header[]).flatMap((each) =>
        this.#update(each['kind'] === 'put' ? decodePut(each, bodies[body++]) : (each as unknown as KvChange)),
      );
      if (changes.length > 0) return changes;
    }
  }

  close(): Promise<void> {
    this.#cursor.close();
    return Promise.resolve();
  }

  #update(change: KvChange): readonly KvChange[] {
    return change.kind === 'synced' ? this.#onSynced() : this.#onChanged(change);
  }

  /** Keys that are still missing were deleted while there was no connection. */
  #onSynced(): readonly KvChange[] {
    this.#reportedDeleted = this.#missing ?? new Set();
    this.#missing = undefined;
    const deleted = [...this.#reportedDeleted].map((key): KvChange => {
      const revision = this.#revisions.get(key) ?? 0;
      this.#revisions.delete(key);
      return { kind: 'deleted', key, revision };
    });
    if (this.#isSynced) return deleted;
    this.#isSynced = true;
    return [...deleted, { kind: 'synced' }];
  }

  #onChanged(change: KeyChange): readonly KvChange[] {
    const key = change.kind === 'put' ? change.entry.key : change.key;
    this.#missing?.delete(key);
    const isReported = this.#reportedDeleted.delete(key);
    if (change.kind !== 'put') {
      this.#revisions.delete(key);
      return isReported ? [] : [change];
    }
    const { revision } = change.entry;
    // After a new connection the present entries come again. A lower revision is of a store that was rolled back.
    if (this.#revisions.get(key) === revision) return [];
    this.#revisions.set(key, revision);
    return [change];
  }
}

function decodePut(header: Header, value: Uint8Array | undefined): KvChange {
  return { kind: 'put', entry: decodeEntry(header, value) };
}
