/** The SQLite driver: maps each method of the driver contract to the module that does it. */

import {
  type AdminDriver,
  type CallContext,
  type Driver,
  type KvDriver,
  type QueueDriver,
  type StorePast,
  type TopicDriver,
  toGate,
  WaitingReceives,
  WorkFailures,
} from '@busbar/api/driver';
import type { BrowsePage, Capabilities, StoreReset, Warning, WorkFailure } from '@busbar/api/transport';
import { DirectCalls, SocketFolder } from '@busbar/wire';
import { browse } from './admin/browse.ts';
import { beginClear, clearStep } from './admin/clear.ts';
import { exportState } from './admin/export.ts';
import { setGate } from './admin/gate.ts';
import { ImportedEventIds, importRecords } from './admin/import.ts';
import { listBindings, listQueues, listTopics } from './admin/inspect.ts';
import { cancel, configure, deleteQueue, purge, redrive, reschedule } from './admin/operate.ts';
import { capabilitiesOf, MAX_BODY_BYTES } from './capabilities.ts';
import { Batcher } from './connection/batcher.ts';
import { CallCoalescer } from './connection/call-coalescer.ts';
import type { Store } from './connection/store.ts';
import type { Transaction } from './connection/transaction.ts';
import { warnOfReaders } from './connection/write-ahead-log.ts';
import { deleteEntry, getEntry, listEntries, putEntry, touchEntries } from './kv/kv.ts';
import { KvWatches } from './kv/watch.ts';
import { Maintenance } from './maintenance/maintenance.ts';
import { rescueExpiredLeases } from './maintenance/rescuer.ts';
import { Scheduler } from './maintenance/scheduler.ts';
import { QueueClaims } from './queues/claim.ts';
import type { QueueRow } from './queues/queue-row.ts';
import { refuseSend, SEND } from './queues/send.ts';
import { SETTLE, SETTLE_LARGE } from './queues/settle.ts';
import { backfillStep } from './topics/backfill.ts';
import { BindingCache, bind, unbind } from './topics/bindings.ts';
import { EventCursors, findStart } from './topics/cursors.ts';
import { publishHandler } from './topics/publish.ts';
import { LocalWaiters } from './wakeup/local-waiters.ts';
import { CommitNotifier } from './wakeup/notifier.ts';
import { WaiterRegistry } from './wakeup/waiter-registry.ts';
import { WakeupFile } from './wakeup/wakeup-file.ts';

/** Values up to this size, such as those of presence and locks, are also stored when the disk is almost full. */
const SMALL_BYTES = 1024;

export class SqliteDriver implements Driver {
  readonly name = 'sqlite';
  readonly capabilities: Capabilities;
  readonly warnings: readonly Warning[];
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  readonly calls?: DirectCalls;
  readonly #store: Store;
  readonly #commits: CommitNotifier;
  readonly #batcher: Batcher;
  readonly #wakeupFile: WakeupFile;
  readonly #registry: WaiterRegistry;
  readonly #waiters: LocalWaiters;
  readonly #scheduler: Scheduler;
  readonly #failures = new WorkFailures();

  constructor(store: Store) {
    this.#store = store;
    const folder = new SocketFolder(store.path);
    this.capabilities = capabilitiesOf(store, folder.problem);
    this.warnings = warnOfReaders(store.db, store.path);
    const commits = new CommitNotifier();
    this.#commits = commits;
    const batcher = new Batcher(store, commits);
    const coalescer = new CallCoalescer(batcher);
    const wakeupFile = new WakeupFile(store.path);
    const registry = new WaiterRegistry(wakeupFile, batcher, commits);
    const receives = new WaitingReceives();
    const claims = new QueueClaims(batcher, registry, commits, receives);
    const cursors = new EventCursors(batcher, registry, commits);
    const watches = new KvWatches(batcher, registry, commits);
    const maintenance = new Maintenance(store, batcher, registry, claims);
    const waiters = new LocalWaiters(store, wakeupFile, { receives, cursors, watches });
    const failures = this.#failures;
    this.#scheduler = new Scheduler(store, { batcher, commits, wakeupFile, waiters, maintenance, failures });
    this.#waiters = waiters;
    this.#batcher = batcher;
    this.#wakeupFile = wakeupFile;
    this.#registry = registry;
    this.queues = openQueues({ batcher, coalescer }, claims, receives);
    this.topics = openTopics({ batcher, coalescer }, cursors, new BindingCache(commits));
    this.kv = openKv(batcher, watches);
    if (this.capabilities.features.calls) {
      const calls = new DirectCalls({ folder, kv: this.kv, maxBodyBytes: MAX_BODY_BYTES, failures });
      commits.reset.subscribe(() => calls.restore());
      this.calls = calls;
    }
    this.admin = openAdmin(store, batcher, commits);
  }

  get past(): StorePast | undefined {
    return this.#batcher.past;
  }

  onReset(listener: (reset: StoreReset) => void): void {
    this.#commits.reset.subscribe(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): void {
    this.#failures.listen(listener);
  }

  async close(): Promise<void> {
    await this.calls?.close();
    this.#scheduler.close();
    await this.#waiters.close();
    await this.#registry.close();
    this.#batcher.close();
    this.#wakeupFile.close();
    this.#store.close();
  }
}

/** What several facets of the driver work with. */
interface Connection {
  readonly batcher: Batcher;
  readonly coalescer: CallCoalescer;
}

function openQueues({ batcher, coalescer }: Connection, claims: QueueClaims, waiting: WaitingReceives): QueueDriver {
  return {
    send: (queue, items, create, context) =>
      coalescer.run(
        SEND,
        { target: queue, items, refuse: (tx) => tx.refuseClosed() ?? refuseSend(tx, queue, create) },
        context,
      ),
    claim: (queue, request, context) => claims.claim(queue, request, context),
    waiting,
    settle: (items, context) => {
      const isLarge = items.some(({ entry }) => entry !== undefined && entry.value.byteLength > SMALL_BYTES);
      const handler = isLarge ? SETTLE_LARGE : SETTLE;
      return coalescer.run(handler, { target: '', items, refuse: (tx) => tx.refuseClosed() }, context);
    },
    configure: (queue, settings, context) =>
      batcher.write(
        gated((tx) => configure(tx, queue, settings)),
        context,
      ),
  };
}

function openTopics({ batcher, coalescer }: Connection, cursors: EventCursors, bindings: BindingCache): TopicDriver {
  const publish = publishHandler(bindings);
  return {
    publish: (topic, items, ephemeral, context) =>
      ephemeral
        ? cursors.publishEphemeral(topic, items, context)
        : coalescer.run(publish, { target: topic, items, refuse: (tx) => tx.refuseClosed() }, context),
    open: (pattern, from, context) => cursors.subscribe(pattern, from, context),
    bind: async (queue, pattern, from, context) => {
      const work = gated((tx) => {
        const since = findStart(tx, pattern, from);
        bind(tx, tx.ensureQueue(queue), pattern, since);
      });
      await batcher.write(work, context);
      // If it fails, claims and the scheduler continue the backfill.
      void backfill(batcher, queue).catch(() => undefined);
    },
    unbind: (name, pattern, context) =>
      batcher.write(gated(onQueue(name, undefined, (tx, queue) => unbind(tx, queue, pattern))), context),
  };
}

async function backfill(batcher: Batcher, name: string): Promise<void> {
  while (await batcher.write(gated(onQueue(name, false, backfillStep)))) {}
}

function openKv(batcher: Batcher, watches: KvWatches): KvDriver {
  return {
    get: (key, context) => batcher.read((tx) => getEntry(tx, key), context),
    put: (key, value, condition, context) =>
      batcher[value.byteLength > SMALL_BYTES ? 'grow' : 'write'](
        gated((tx) => putEntry(tx, key, value, condition)),
        context,
      ),
    touch: (touches, context) =>
      batcher.write(
        gated((tx) => touchEntries(tx, touches)),
        context,
      ),
    delete: (key, ifRevision, context) =>
      batcher.write(
        gated((tx) => deleteEntry(tx, key, ifRevision)),
        context,
      ),
    list: (prefix, page, context) => batcher.read((tx) => listEntries(tx, prefix, page), context),
    watch: (prefix, context) => watches.watch(prefix, context),
  };
}

function openAdmin(store: Store, batcher: Batcher, commits: CommitNotifier): AdminDriver {
  const imported = new ImportedEventIds();
  commits.reset.subscribe(() => imported.forget());
  return {
    queues: (filter, context) => batcher.read((tx) => listQueues(tx, filter), context),
    topics: (page, context) => batcher.read((tx) => listTopics(tx, page), context),
    bindings: (context) => batcher.read(listBindings, context),
    browse: (name, filter, context) => {
      const none: BrowsePage = { messages: [], next: undefined };
      return batcher.read(
        onQueue(name, none, (tx, queue) => browse(tx, queue, filter)),
        context,
      );
    },
    redrive: (name, ids, limit, context) => {
      const step = (left: number) => gated(onQueue(name, 0, (tx, queue) => redrive(tx, queue, ids, left)));
      // A dead letter with one of these ids that dies again meanwhile is not redriven twice.
      return ids === undefined ? repeat(batcher, step, limit, context) : batcher.write(step(limit), context);
    },
    purge: (name, state, ids, context) => {
      const step = gated(onQueue(name, 0, (tx, queue) => purge(tx, queue, state, ids)));
      return repeat(batcher, () => step, Number.POSITIVE_INFINITY, context);
    },
    cancel: (name, ids, context) =>
      batcher.write(
        gated((tx) => cancel(tx, tx.queue(name), ids)),
        context,
      ),
    reschedule: (name, ids, delayMs, context) =>
      batcher.write(
        gated((tx) => reschedule(tx, tx.queue(name), ids, delayMs)),
        context,
      ),
    deleteQueue: (name, context) => batcher.write(gated(onQueue(name, false, deleteQueue)), context),
    clear: async (gateRevision, context) => {
      const range = await batcher.write(gated(beginClear, gateRevision), context);
      batcher.observe();
      const step = gated((tx) => clearStep(tx, range), gateRevision);
      while (await batcher.write(step, context)) {}
    },
    exportState: (context) => exportState(store, context.signal),
    importState: (records, gateRevision, context) =>
      batcher.grow(
        gated((tx) => importRecords(tx, records, imported), gateRevision),
        context,
      ),
    gate: (context) => batcher.read(({ gate, time }) => toGate(gate, time), context),
    setGate: async (change, context) => {
      await batcher.write((tx) => setGate(tx, change), context);
      if (change.state === 'closed') while (await batcher.write(rescueExpiredLeases)) {}
      return batcher.read(({ gate, time }) => toGate(gate, time), context);
    },
  };
}

/** Work that changes the namespace, unless its gate refuses that. */
function gated<T>(work: (tx: Transaction) => T, gateRevision?: number): (tx: Transaction) => T {
  return (tx) => {
    tx.checkGate(gateRevision);
    return work(tx);
  };
}

/** Work on a queue, or the result if it does not exist. */
function onQueue<T>(name: string, otherwise: T, work: (tx: Transaction, queue: QueueRow) => T): (tx: Transaction) => T {
  return (tx) => {
    const queue = tx.queue(name);
    return queue === undefined ? otherwise : work(tx, queue);
  };
}

/** Repeats a step until it returns 0 or the sum is `limit`. Returns the sum. */
async function repeat(
  batcher: Batcher,
  step: (left: number) => (tx: Transaction) => number,
  limit: number,
  context: CallContext,
): Promise<number> {
  for (let sum = 0; ; ) {
    const count = await batcher.write(step(limit - sum), context);
    sum += count;
    if (count === 0 || sum >= limit) return sum;
  }
}
