/** The driver over a NATS server with JetStream: creates the shared parts and passes them to the facets. */

import {
  type AdminDriver,
  type CallContext,
  type Driver,
  type KvDriver,
  type QueueDriver,
  type TopicDriver,
  WorkFailures,
} from '@busbar/api/driver';
import type {
  Capabilities,
  From,
  StateChange,
  StorePast,
  StoreReset,
  Warning,
  WorkFailure,
} from '@busbar/api/transport';
import { openAdmin } from './admin/admin.ts';
import { ImportContexts } from './admin/admin-context.ts';
import { Operations } from './admin/operate.ts';
import { QueueViews } from './admin/queue-view.ts';
import { openCalls } from './calls/calls.ts';
import { capabilitiesOf } from './capabilities.ts';
import { Connection } from './connection/connection.ts';
import { Names } from './connection/names.ts';
import { Permissions } from './connection/permissions.ts';
import { Puller } from './connection/puller.ts';
import { checkDurability, checkServer, readSyncInterval, type SyncInterval, warningsOf } from './connection/server.ts';
import { ServerClock } from './connection/server-clock.ts';
import { ServerRequests } from './connection/server-requests.ts';
import { type FoundReset, StoreHeaders } from './connection/store-header.ts';
import {
  checkBounds,
  ensureStreams,
  restoreStreams,
  type StreamFacts,
  type StreamsState,
  streamInfo,
} from './connection/streams.ts';
import { toDriverError } from './errors.ts';
import { StoreGate } from './gate/store-gate.ts';
import { Kv } from './kv/kv.ts';
import { KvStore } from './kv/kv-store.ts';
import { KvWatches } from './kv/watch.ts';
import { Scheduler } from './maintenance/scheduler.ts';
import type { Settings } from './options.ts';
import { Consumers } from './queues/consumers.ts';
import { Delayed } from './queues/delayed.ts';
import { HeldDeliveries } from './queues/held-deliveries.ts';
import { Ledgers } from './queues/ledger.ts';
import { repairLedgers } from './queues/ledger-repair.ts';
import { Notices } from './queues/notices.ts';
import type { QueueContext } from './queues/queue-context.ts';
import { QueueRecords } from './queues/queue-record.ts';
import { Queues } from './queues/queues.ts';
import { Sender } from './queues/send.ts';
import { Bindings } from './topics/bindings.ts';
import { Cursors } from './topics/cursors.ts';
import { Publisher } from './topics/publish.ts';

export class NatsDriver implements Driver {
  readonly name = 'nats';
  readonly capabilities: Capabilities;
  readonly warnings: readonly Warning[];
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  readonly calls: ReturnType<typeof openCalls>;
  readonly #connection: Connection;
  readonly #requests: ServerRequests;
  readonly #scheduler: Scheduler;
  readonly #headers: StoreHeaders;
  readonly #watches: KvWatches;
  readonly #gate: StoreGate;
  readonly #imports: ImportContexts;
  readonly #failures: WorkFailures;
  readonly #resetListeners: ((reset: StoreReset) => void)[] = [];

  private constructor(opened: Opened) {
    const { requests, names, clock, settings, facts, sync, headers, gate, permissions, failures } = opened;
    const { connection } = requests;
    this.#headers = headers;
    this.#failures = failures;
    this.#connection = connection;
    this.#requests = requests;
    this.capabilities = capabilitiesOf(facts, connection.client.info?.max_payload ?? 0);
    this.warnings = [...warningsOf(facts, sync), ...permissions.lacks(names)];
    const records = new QueueRecords(requests, names, clock);
    const base = { requests, names, clock, gate, records, used: new Set<string>(), expiring: new Set<string>() };
    const puller = new Puller(connection, names.queues, 'return');
    const store = new KvStore(base, new Puller(connection, names.kv));
    const shared: QueueContext = {
      ...{ ...base, puller, kv: store, ledgers: new Ledgers(requests, names), held: new HeldDeliveries() },
      consumers: new Consumers(base, settings.consumerReplicas, permissions),
    };
    const notices = new Notices(requests, names, records);
    const bindings = new Bindings(shared);
    const views = new QueueViews(shared, bindings);
    const sender = new Sender(shared, bindings, (queue) => views.lengthOf(queue));
    const cursors = new Cursors(shared, headers);
    const context = { ...shared, views, notices, bindings, cursors, headers, permissions };
    const operations = new Operations(context);
    this.#scheduler = new Scheduler(shared, views, operations, {
      failures,
      isPermitted: permissions.mayMaintain(names),
    });
    const queues = new Queues(shared, gate, sender, { delayed: new Delayed(shared, puller), bindings }, notices);
    this.queues = queues;
    const publisher = new Publisher(shared, facts, bindings, headers);
    this.topics = openTopics(publisher, cursors, bindings, gate);
    this.#watches = new KvWatches(store);
    this.kv = new Kv(store, this.#watches, gate);
    this.#gate = gate;
    this.#imports = new ImportContexts(context, gate);
    this.admin = openAdmin(context, operations, gate, this.#imports);
    gate.onChange(() => {
      // Its leases have ended.
      if (gate.isClosed) shared.held.clear();
      notices.wakeAll();
    });
    this.calls = openCalls(connection, names, this.capabilities.maxBodyBytes);
    headers.watch((reset) => {
      forget(shared, reset);
      void gate.refresh();
      queues.forget();
      store.forget();
      publisher.forget();
      cursors.rewind(reset);
      notices.wakeAll();
      void this.#recover(reset);
    });
  }

  /** Connects, and creates missing streams. */
  static async open(settings: Settings): Promise<NatsDriver> {
    const connection = await Connection.open(settings);
    try {
      checkServer(connection);
      const names = new Names(settings.ns);
      const requests = new ServerRequests(connection, names);
      const clock = new ServerClock();
      const facts = await ensureStreams(requests, names, clock, settings);
      checkDurability(facts, settings);
      // A request without others beside it measures the clock best.
      await streamInfo(requests, clock, names.ledger);
      const [gate, permissions] = await Promise.all([
        StoreGate.open({ requests, names, clock }),
        Permissions.read(requests),
      ]);
      const restore = async (): Promise<StreamsState> => {
        const { subjects, ...streams } = await restoreStreams(requests, names, clock, { settings, facts });
        await gate.mend(subjects, checkBounds());
        return streams;
      };
      const repair = () => repairLedgers(requests, names);
      // The loss of the server is a change of state.
      const failures = new WorkFailures(['UNAVAILABLE', 'TIMEOUT']);
      const [headers, sync] = await Promise.all([
        StoreHeaders.open({ requests, names, clock, restore, repair, failures }),
        readSyncInterval(requests, permissions, settings),
      ]);
      return new NatsDriver({ requests, names, clock, settings, facts, sync, headers, gate, permissions, failures });
    } catch (error) {
      await connection.close();
      throw toDriverError(error);
    }
  }

  onState(listener: (change: StateChange) => void): void {
    this.#connection.onState(listener);
  }

  onReset(listener: (reset: StoreReset) => void): void {
    this.#resetListeners.push(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): void {
    this.#failures.listen(listener);
  }

  get past(): StorePast | undefined {
    return this.#headers.past;
  }

  async close(): Promise<void> {
    this.calls.close();
    this.#headers.close();
    this.#scheduler.close();
    this.#gate.close();
    this.#imports.close();
    this.#requests.close();
    await this.#connection.close();
  }

  /** Goes on over what the store has now, then reports. */
  async #recover({ cause, detail }: FoundReset): Promise<void> {
    try {
      await this.#watches.catchUp();
    } catch (error) {
      this.#failures.report('watches', toDriverError(error));
    }
    for (const listener of this.#resetListeners) listener({ cause, detail });
  }
}

/** The parts that are there before the driver. */
interface Opened {
  readonly requests: ServerRequests;
  readonly names: Names;
  readonly clock: ServerClock;
  readonly settings: Settings;
  readonly facts: StreamFacts;
  readonly sync: SyncInterval;
  readonly headers: StoreHeaders;
  readonly gate: StoreGate;
  readonly permissions: Permissions;
  readonly failures: WorkFailures;
}

/** Forgets what this process knows of the queues of a store that has lost data. */
function forget({ records, ledgers, consumers, held }: QueueContext, { cause }: StoreReset): void {
  records.forgetAll();
  ledgers.forget(cause);
  consumers.forgetAll();
  held.clear();
}

function openTopics(publisher: Publisher, cursors: Cursors, bindings: Bindings, gate: StoreGate): TopicDriver {
  return {
    async publish(topic, messages, ephemeral, context) {
      if (!ephemeral && gate.isClosed) await gate.assertOpen(context);
      return publisher.publish(topic, messages, ephemeral, context);
    },
    open: (pattern, from, context) => cursors.open(pattern, from, context),
    async bind(queue: string, pattern: string, from: From, context: CallContext) {
      if (gate.isClosed) await gate.assertOpen(context);
      await bindings.bind(queue, pattern, await cursors.resolve(from), context);
    },
    async unbind(queue, pattern, context) {
      if (gate.isClosed) await gate.assertOpen(context);
      await bindings.unbind(queue, pattern, context);
    },
  };
}
