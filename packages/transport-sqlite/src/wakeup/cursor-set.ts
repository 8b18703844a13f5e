/** The open cursors of one kind in this process. Commits wake those that they concern. */

import type { CallContext } from '@busbar/api/driver';
import type { Batcher } from '../connection/batcher.ts';
import type { StoreCursor } from '../connection/store-cursor.ts';
import type { Transaction } from '../connection/transaction.ts';
import { type CommitNotifier, Notifier } from './notifier.ts';
import type { WaiterRegistry, WaitKind } from './waiter-registry.ts';

export class CursorSet<OpenCursor extends StoreCursor<unknown>> {
  /** Notifies after a cursor was opened or closed. */
  readonly sizeChanged: Notifier = new Notifier();
  protected readonly batcher: Batcher;
  protected readonly registry: WaiterRegistry;
  readonly #kind: Exclude<WaitKind, 'queue'>;
  readonly #matches: (name: string, changed: string) => boolean;
  /** Each cursor with its name: the pattern or prefix that it is registered for. */
  readonly #names = new Map<OpenCursor, string>();

  constructor(
    kind: Exclude<WaitKind, 'queue'>,
    batcher: Batcher,
    registry: WaiterRegistry,
    matches: (name: string, changed: string) => boolean,
    commits: CommitNotifier,
  ) {
    this.#kind = kind;
    this.batcher = batcher;
    this.registry = registry;
    this.#matches = matches;
    commits.reset.subscribe(() => {
      for (const cursor of this) cursor.reset();
    });
  }

  get size(): number {
    return this.#names.size;
  }

  [Symbol.iterator](): Iterator<OpenCursor> {
    return this.#names.keys();
  }

  /** Opens a cursor. The process is registered when this resolves, so no later change is missed. */
  protected async open(
    name: string,
    create: (tx: Transaction, onClose: () => void) => OpenCursor,
    context: CallContext,
  ): Promise<OpenCursor> {
    const cursor = await this.batcher.write((tx) => {
      const created: OpenCursor = create(tx, () => this.#delete(created));
      this.registry.add(tx, this.#kind, name);
      tx.afterCommit(() => this.#names.set(created, name));
      return created;
    }, context);
    this.sizeChanged.notify();
    return cursor;
  }

  /** Wakes the cursors that match one of the changed topics or keys. */
  wake(changed: ReadonlySet<string>): void {
    if (changed.size === 0) return;
    for (const [cursor, name] of this.#names) {
      for (const each of changed) {
        if (!this.#matches(name, each)) continue;
        cursor.wake();
        break;
      }
    }
  }

  wakeAll(): void {
    for (const cursor of this) cursor.wake();
  }

  async close(): Promise<void> {
    for (const cursor of this.#names.keys()) await cursor.close();
  }

  /** Removes a closed cursor, and its registration if no other cursor has the name. */
  #delete(cursor: OpenCursor): void {
    const name = this.#names.get(cursor);
    if (name === undefined) return;
    this.#names.delete(cursor);
    this.sizeChanged.notify();
    this.registry.removeUnused(this.#kind, name, () => [...this.#names.values()].includes(name));
  }
}
