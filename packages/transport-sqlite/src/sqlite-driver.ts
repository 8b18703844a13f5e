/** The SQLite driver: maps each method of the driver contract to the module that does it. */

import {
  type AdminDriver,
  type CallContext,
  type Driver,
  type KvDriver,
  type QueueDriver,
  type TopicDriver,
  WaitingReceives,
} from '@busbar/api/driver';
import type { Capabilities, StateRecord } from '@busbar/api/transport';
import { browse } from './admin/browse.ts';
import { clearStep, renewIncarnation } from './admin/clear.ts';
import { exportState } from './admin/export.ts';
import { ImportedEventIds, importRecord } from './admin/import.ts';
import { listBindings, listQueues, listTopics } from './admin/inspect.ts';
import { cancel, configure, deleteQueue, purge, redrive, reschedule } from './admin/operate.ts';
import { capabilitiesOf } from './capabilities.ts';
import { Batcher } from './connection/batcher.ts';
import { CallCoalescer } from './connection/call-coalescer.ts';
import type { Store } from './connection/store.ts';
import type { Transaction } from './connection/transaction.ts';
import { deleteEntry, getEntry, listEntries, putEntry, touchEntries } from './kv/kv.ts';
import { KvWatches } from './kv/watch.ts';
import { Maintenance } from './maintenance/maintenance.ts';
import { Scheduler } from './maintenance/scheduler.ts';
import { QueueClaims } from './queues/claim.ts';
import { refuseSend, SEND } from './queues/send.ts';
import { SETTLE } from './queues/settle.ts';
import { backfillStep } from './topics/backfill.ts';
import { BindingCache, bind, unbind } from './topics/bindings.ts';
import { EventCursors, findStart } from './topics/cursors.ts';
import { publishHandler } from './topics/publish.ts';
import { CommitNotifier } from './wakeup/commit-notifier.ts';
import { LocalWaiters } from './wakeup/local-waiters.ts';
import { WaiterRegistry } from './wakeup/waiter-registry.ts';
import { WakeupFile } from './wakeup/wakeup-file.ts';

export class SqliteDriver implements Driver {
  readonly name = 'sqlite';
  readonly capabilities: Capabilities;
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  readonly #store: Store;
  readonly #commits = new CommitNotifier();
  readonly #batcher: Batcher;
  readonly #coalescer: CallCoalescer;
  readonly #wakeupFile: WakeupFile;
  readonly #registry: WaiterRegistry;
  readonly #waiting = new WaitingReceives();
  readonly #claims: QueueClaims;
  readonly #cursors: EventCursors;
  readonly #watches: KvWatches;
  readonly #waiters: LocalWaiters;
  readonly #scheduler: Scheduler;
  readonly #importedIds = new ImportedEventIds();

  constructor(store: Store) {
    this.#store = store;
    this.capabilities = capabilitiesOf(store);
    const commits = this.#commits;
    const batcher = new Batcher(store, commits);
    const wakeupFile = new WakeupFile(store.path);
    const registry = new WaiterRegistry(wakeupFile, batcher, commits);
    const waiting = this.#waiting;
    const claims = new QueueClaims(batcher, registry, commits, waiting);
    const cursors = new EventCursors(batcher, registry, commits);
    const watches = new KvWatches(batcher, registry, commits);
    const maintenance = new Maintenance(store, batcher, registry, claims);
    const waiters = new LocalWaiters(store, wakeupFile, { receives: waiting, cursors, watches });
    this.#scheduler = new Scheduler(store, { batcher, commits, wakeupFile, waiters, maintenance });
    this.#waiters = waiters;
    this.#batcher = batcher;
    this.#coalescer = new CallCoalescer(batcher);
    this.#wakeupFile = wakeupFile;
    this.#registry = registry;
    this.#claims = claims;
    this.#cursors = cursors;
    this.#watches = watches;
    this.queues = this.#openQueues();
    this.topics = this.#openTopics();
    this.kv = this.#openKv();
    this.admin = this.#openAdmin();
  }

  async close(): Promise<void> {
    this.#scheduler.close();
    await this.#waiters.close();
    await this.#registry.close();
    this.#batcher.close();
    this.#wakeupFile.close();
    this.#store.db.close();
  }

  #openQueues(): QueueDriver {
    const refuse = (queue: string, create: boolean) => (tx: Transaction) => refuseSend(tx, queue, create);
    return {
      send: (queue, messages, create, context) =>
        this.#coalescer.run(SEND, { target: queue, items: messages, refuse: refuse(queue, create) }, context),
      claim: (queue, request, context) => this.#claims.claim(queue, request, context),
      waiting: this.#waiting,
      settle: (settlements, context) => this.#coalescer.run(SETTLE, { target: '', items: settlements }, context),
      configure: (queue, settings, context) => this.#batcher.write((tx) => configure(tx, queue, settings), context),
    };
  }

  #openTopics(): TopicDriver {
    const publish = publishHandler(new BindingCache(this.#commits));
    return {
      publish: (topic, messages, ephemeral, context) =>
        ephemeral
          ? this.#cursors.publishEphemeral(topic, messages, context)
          : this.#coalescer.run(publish, { target: topic, items: messages }, context),
      open: (pattern, from, context) => this.#cursors.subscribe(pattern, from, context),
      bind: async (queue, pattern, from, context) => {
        await this.#batcher.write((tx) => {
          const since = findStart(tx, pattern, from);
          bind(tx, tx.ensureQueue(queue), pattern, since);
        }, context);
        // If it fails, claims and the scheduler continue the backfill.
        void this.#backfill(queue).catch(() => undefined);
      },
      unbind: (queue, pattern, context) =>
        this.#batcher.write((tx) => {
          const found = tx.queue(queue);
          if (found !== undefined) unbind(tx, found, pattern);
        }, context),
    };
  }

  #openKv(): KvDriver {
    const batcher = this.#batcher;
    return {
      get: (key, context) => batcher.read((tx) => getEntry(tx, key), context),
      put: (key, value, condition, context) => batcher.write((tx) => putEntry(tx, key, value, condition), context),
      touch: (touches, context) => batcher.write((tx) => touchEntries(tx, touches), context),
      delete: (key, ifRevision, context) => batcher.write((tx) => deleteEntry(tx, key, ifRevision), context),
      list: (prefix, page, context) => batcher.read((tx) => listEntries(tx, prefix, page), context),
      watch: (prefix, context) => this.#watches.watch(prefix, context),
    };
  }

  #openAdmin(): AdminDriver {
    const batcher = this.#batcher;
    return {
      queues: (filter, context) => batcher.read((tx) => listQueues(tx, filter), context),
      topics: (page, context) => batcher.read((tx) => listTopics(tx, page), context),
      bindings: (context) => batcher.read(listBindings, context),
      browse: (queue, filter, context) =>
        batcher.read((tx) => {
          const found = tx.queue(queue);
          return found === undefined ? { messages: [], next: undefined } : browse(tx, found, filter);
        }, context),
      redrive: (queue, ids, limit, context) => this.#redrive(queue, ids, limit, context),
      purge: (queue, state, ids, context) =>
        this.#repeat((tx) => {
          const found = tx.queue(queue);
          return found === undefined ? 0 : purge(tx, found, state, ids);
        }, context),
      cancel: (queue, ids, context) => batcher.write((tx) => cancel(tx, tx.queue(queue), ids), context),
      reschedule: (queue, ids, delayMs, context) =>
        batcher.write((tx) => reschedule(tx, tx.queue(queue), ids, delayMs), context),
      deleteQueue: (queue, context) =>
        batcher.write((tx) => {
          const found = tx.queue(queue);
          if (found !== undefined) deleteQueue(tx, found);
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
    await this.#repeat((tx) => {
      const found = tx.queue(queue);
      const count = found === undefined ? 0 : redrive(tx, found, ids, left);
      tx.afterCommit(() => {
        left -= count;
      });
      return left > count ? count : 0;
    }, context);
    return limit - left;
  }

  /** Repeats a step until it returns 0. Returns the sum. */
  async #repeat(step: (tx: Transaction) => number, context: CallContext): Promise<number> {
    for (let sum = 0; ; ) {
      const count = await this.#batcher.write(step, context);
      sum += count;
      if (count === 0) return sum;
    }
  }

  async #clear(context: CallContext): Promise<void> {
    this.#importedIds.forget();
    await this.#batcher.write(renewIncarnation, context);
    while (await this.#batcher.write(clearStep, context)) {}
  }

  #import(records: readonly StateRecord[], context: CallContext): Promise<number> {
    return this.#batcher.write(
      (tx) => records.filter((record) => importRecord(tx, record, this.#importedIds)).length,
      context,
    );
  }

  async #backfill(name: string): Promise<void> {
    for (let isMore = true; isMore; ) {
      isMore = await this.#batcher.write((tx) => {
        const queue = tx.queue(name);
        return queue !== undefined && backfillStep(tx, queue);
      });
    }
  }
}
