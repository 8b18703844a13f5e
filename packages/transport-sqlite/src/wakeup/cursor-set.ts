/** The open cursors of one kind in this process. Commits wake those that they concern. */

import type { Transaction } from '../connection/transaction.ts';
import { Notifier } from './notifier.ts';
import type { WaiterRegistry, WaitKind } from './waiter-registry.ts';

interface WakeableCursor {
  wake(): void;
  close(): Promise<void>;
}

export class CursorSet<OpenCursor extends WakeableCursor> {
  /** Notifies after a cursor was opened or closed. */
  readonly sizeChanged: Notifier = new Notifier();
  readonly #kind: Exclude<WaitKind, 'queue'>;
  readonly #registry: WaiterRegistry;
  readonly #matches: (name: string, changed: string) => boolean;
  /** Each cursor with its name: the pattern or prefix that it is registered for. */
  readonly #names = new Map<OpenCursor, string>();

  constructor(
    kind: Exclude<WaitKind, 'queue'>,
    registry: WaiterRegistry,
    matches: (name: string, changed: string) => boolean,
  ) {
    this.#kind = kind;
    this.#registry = registry;
    this.#matches = matches;
  }

  get size(): number {
    return this.#names.size;
  }

  [Symbol.iterator](): Iterator<OpenCursor> {
    return this.#names.keys();
  }

  /** Registers this process and adds the cursor, both with the commit. */
  add(tx: Transaction, name: string, cursor: OpenCursor): void {
    this.#registry.add(tx, this.#kind, name);
    tx.afterCommit(() => this.#names.set(cursor, name));
  }

  /** Removes a closed cursor, and its registration if no other cursor has the name. */
  delete(cursor: OpenCursor): void {
    const name = this.#names.get(cursor);
    if (name === undefined) return;
    this.#names.delete(cursor);
    this.sizeChanged.notify();
    this.#registry.removeUnused(this.#kind, name, () => [...this.#names.values()].includes(name));
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
    for (const cursor of this.#names.keys()) cursor.wake();
  }

  async close(): Promise<void> {
    for (const cursor of this.#names.keys()) await cursor.close();
  }
}
