/** The SQLite backend: what a transport asks for, given to the rooms that do it. */

import type { AdminDriver, CallContext, Driver, KvDriver, QueueDriver, TopicDriver } from '@busbar/api/driver';
import type { Capabilities, StateRecord } from '@busbar/api/transport';
import { browse } from './admin/browse.ts';
import { clearStep } from './admin/clear.ts';
import { exportState } from './admin/export.ts';
import { ImportedTopics, importRecord } from './admin/import.ts';
import { listBindings, listQueues, listTopics } from './admin/inspect.ts';
import { cancel, configure, deleteQueue, purge, redrive, reschedule } from './admin/operate.ts';
import { capabilitiesOf } from './capabilities.ts';
import { Batcher } from './connection/batcher.ts';
import { JoinedCalls } from './connection/call-coalescer.ts';
import type { Store } from './connection/store.ts';
import type { Transaction } from './connection/transaction.ts';
import { deleteEntry, getEntry, listEntries, putEntry, touchEntries } from './kv/kv.ts';
import { EntryWatches } from './kv/watch.ts';
import { Sweeper } from './maintenance/scheduler.ts';
import { WaitingRoom } from './queues/pending-receives.ts';
import { refuseSend, SEND } from './queues/send.ts';
import { SETTLE } from './queues/settle.ts';
import { copyHistory } from './topics/backfill.ts';
import { Bindings, bind, unbind } from './topics/bindings.ts';
import { Cursors, findPlace } from './topics/cursors.ts';
import { publishing } from './topics/publish.ts';
import { Signals, type Sleepers } from './wakeup/commit-notifier.ts';
import { Listeners } from './wakeup/waiter-registry.ts';
import { Bell } from './wakeup/wakeup-file.ts';

export class SqliteDriver implements Driver {
  readonly name = 'sqlite';
  readonly capabilities: Capabilities;
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  readonly #store: Store;
  readonly #sleepers: Sleepers;
  readonly #sweeper: Sweeper;
  readonly #imported = new ImportedTopics();
  readonly #joined: JoinedCalls;

  constructor(store: Store) {
    this.#store = store;
    this.capabilities = capabilitiesOf(store);
    const signals = new Signals();
    const batcher = new Batcher(store, signals);
    const bell = new Bell(store.path, () => this.#sweeper.rung());
    const listeners = new Listeners(bell.name);
    const onChange = (): void => this.#waitingChanged();
    this.#sleepers = {
      batcher,
      bell,
      listeners,
      bindings: new Bindings(),
      waiting: new WaitingRoom(batcher, listeners, onChange),
      cursors: new Cursors(batcher, listeners, bell.name, onChange),
      watches: new EntryWatches(batcher, listeners, onChange),
      onComingDue: () => this.#sweeper.reschedule(),
    };
    this.#joined = new JoinedCalls(batcher);
    signals.attach(this.#sleepers);
    this.#sweeper = new Sweeper(store, this.#sleepers);
    this.queues = this.#openQueues();
    this.topics = this.#openTopics();
    this.kv = this.#openEntries();
    this.admin = this.#openAdmin();
  }

  async close(): Promise<void> {
    const { batcher, bell, listeners, waiting, cursors, watches } = this.#sleepers;
    this.#sweeper.close();
    waiting.close();
    await cursors.close();
    await watches.close();
    // Should it fail, somebody finds the bell missing and forgets this process.
    if (bell.isHung)
      await batcher
        .write((transaction) => listeners.removeProcess(transaction, bell.name), soon())
        .catch(() => undefined);
    batcher.close();
    bell.close();
    this.#store.db.close();
  }

  /** The bell is hung up by the first who waits: a process that only sends has none. */
  #waitingChanged(): void {
    this.#sleepers.bell.hang();
    this.#sweeper.reschedule();
  }

  #openQueues(): QueueDriver {
    const { batcher, waiting } = this.#sleepers;
    const refuse = (queue: string, create: boolean) => (transaction: Transaction) =>
      refuseSend(transaction, queue, create);
    return {
      send: (queue, messages, create, context) =>
        this.#joined.run(SEND, { on: queue, items: messages, refuse: refuse(queue, create) }, context),
      receive: (queue, wanted, context) => waiting.receive(queue, wanted, context),
      settle: (settlements, context) => this.#joined.run(SETTLE, { on: '', items: settlements }, context),
      configure: (queue, settings, context) =>
        batcher.write((transaction) => configure(transaction, queue, settings), context),
    };
  }

  #openTopics(): TopicDriver {
    const { batcher, bindings, cursors } = this.#sleepers;
    const publish = publishing(bindings);
    return {
      publish: (topic, messages, ephemeral, context) =>
        ephemeral
          ? cursors.publish(topic, messages, context)
          : this.#joined.run(publish, { on: topic, items: messages }, context),
      open: (pattern, from, context) => cursors.open(pattern, from, context),
      bind: async (queue, pattern, from, context) => {
        await batcher.write((transaction) => {
          const since = findPlace(transaction, pattern, from);
          bind(transaction, transaction.ensureQueue(queue), pattern, since);
        }, context);
        void this.#copy(queue).catch(() => undefined);
      },
      unbind: (queue, pattern, context) =>
        batcher.write((transaction) => {
          const found = transaction.queue(queue);
          if (found !== undefined) unbind(transaction, found, pattern);
        }, context),
    };
  }

  #openEntries(): KvDriver {
    const { batcher, watches } = this.#sleepers;
    return {
      get: (key, context) => batcher.read((transaction) => getEntry(transaction, key), context),
      put: (key, value, condition, context) =>
        batcher.write((transaction) => putEntry(transaction, key, value, condition), context),
      touch: (touches, context) => batcher.write((transaction) => touchEntries(transaction, touches), context),
      delete: (key, ifRevision, context) =>
        batcher.write((transaction) => deleteEntry(transaction, key, ifRevision), context),
      list: (prefix, page, context) => batcher.read((transaction) => listEntries(transaction, prefix, page), context),
      watch: (prefix, context) => watches.open(prefix, context),
    };
  }

  #openAdmin(): AdminDriver {
    const { batcher } = this.#sleepers;
    return {
      queues: (filter, context) => batcher.read((transaction) => listQueues(transaction, filter), context),
      topics: (page, context) => batcher.read((transaction) => listTopics(transaction, page), context),
      bindings: (context) => batcher.read(listBindings, context),
      browse: (queue, filter, context) =>
        batcher.read((transaction) => {
          const found = transaction.queue(queue);
          return found === undefined ? { messages: [], next: undefined } : browse(transaction, found, filter);
        }, context),
      redrive: (queue, ids, limit, context) => this.#redrive(queue, ids, limit, context),
      purge: (queue, state, ids, context) =>
        this.#repeat((transaction) => {
          const found = transaction.queue(queue);
          return found === undefined ? 0 : purge(transaction, found, state, ids);
        }, context),
      cancel: (queue, ids, context) =>
        batcher.write((transaction) => cancel(transaction, transaction.queue(queue), ids), context),
      reschedule: (queue, ids, delayMs, context) =>
        batcher.write((transaction) => reschedule(transaction, transaction.queue(queue), ids, delayMs), context),
      deleteQueue: (queue, context) =>
        batcher.write((transaction) => {
          const found = transaction.queue(queue);
          if (found !== undefined) deleteQueue(transaction, found);
          return found !== undefined;
        }, context),
      clear: (context) => this.#clear(context),
      exportState: (context) => exportState(this.#store, context.signal),
      importState: (records, context) => this.#import(records, context),
    };
  }

  async #redrive(
    queue: string,
    ids: readonly string[] | undefined,
    limit: number,
    context: CallContext,
  ): Promise<number> {
    let left = limit;
    return this.#repeat((transaction) => {
      const found = transaction.queue(queue);
      const count = found === undefined ? 0 : redrive(transaction, found, ids, left);
      transaction.afterCommit(() => {
        left -= count;
      });
      return left > count ? count : 0;
    }, context).then(() => limit - left);
  }

  /** Repeats a step until it finds nothing more to do. The sum of what it did. */
  async #repeat(step: (transaction: Transaction) => number, context: CallContext): Promise<number> {
    for (let sum = 0; ; ) {
      const count = await this.#sleepers.batcher.write(step, context);
      sum += count;
      if (count === 0) return sum;
    }
  }

  async #clear(context: CallContext): Promise<void> {
    this.#imported.forget();
    while (await this.#sleepers.batcher.write(clearStep, context)) {}
  }

  #import(records: readonly StateRecord[], context: CallContext): Promise<number> {
    return this.#sleepers.batcher.write(
      (transaction) => records.filter((record) => importRecord(transaction, record, this.#imported)).length,
      context,
    );
  }

  /** Copies the history of a new binding, step by step. */
  async #copy(name: string): Promise<void> {
    for (let isMore = true; isMore; ) {
      isMore = await this.#sleepers.batcher.write((transaction) => {
        const queue = transaction.queue(name);
        return queue !== undefined && copyHistory(transaction, queue);
      });
    }
  }
}

/** Bounds of what closing still wants to write. */
function soon(): CallContext {
  return { deadline: performance.now() + 250, signal: new AbortController().signal };
}
