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
import {
  BusbarError,
  type Capabilities,
  type From,
  type StateChange,
  type StorePast,
  type StoreReset,
  type Warning,
  type WorkFailure,
} from '@busbar/api/transport';
import { openAdmin } from './admin/admin.ts';
import { ImportContexts } from './admin/admin-context.ts';
import { Operations } from './admin/operate.ts';
import { QueueViews } from './admin/queue-view.ts';
import { openCalls } from './calls/calls.ts';
import { capabilitiesOf, HEADER_ROOM } from './capabilities.ts';
import { Connection } from './connection/connection.ts';
import { Names } from './connection/names.ts';
import { Permissions } from './connection/permissions.ts';
import { Puller } from './connection/puller.ts';
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
import { noJetStream, toDriverError } from './errors.ts';
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

const MIN_BODY = 524_288;
const MANY_CONSUMERS = 10_000;
const MIN_VERSION = [2, 12] as const;

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

  private constructor({ requests, names, clock, settings, facts, headers, gate, permissions, failures }: Opened) {
    const { connection } = requests;
    this.#headers = headers;
    this.#failures = failures;
    this.#connection = connection;
    this.#requests = requests;
    this.capabilities = capabilitiesOf(facts, connection.client.info?.max_payload ?? 0);
    this.warnings = [...warningsOf(facts), ...permissions.lacks(names)];
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
      const headers = await StoreHeaders.open({ requests, names, clock, restore, repair, failures });
      return new NatsDriver({ requests, names, clock, settings, facts, headers, gate, permissions, failures });
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

function checkServer({ client: { info } }: Connection): void {
  const {
    version = '0',
    max_payload = 0,
    jetstream,
  } = (info ?? {}) as { jetstream?: boolean } & NonNullable<typeof info>;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1])) {
    throw new BusbarError('UNSUPPORTED', `the server is nats-server ${version}, which is too old`, {
      hint: 'Busbar needs 2.12 or newer: update the server.',
    });
  }
  if (max_payload - HEADER_ROOM < MIN_BODY) {
    throw new BusbarError('UNSUPPORTED', `the server takes no more than ${max_payload} bytes in a message`, {
      hint: `Set max_payload to ${MIN_BODY + HEADER_ROOM} or more; its default is 1MB.`,
    });
  }
  if (jetstream !== true) throw noJetStream();
}

/** Durability: a client cannot read when the server syncs. */
function checkDurability({ storage, isAsync }: StreamFacts, { durability }: Settings): void {
  if (durability === 'power') {
    throw new BusbarError('UNSUPPORTED', 'NATS does not show whether it syncs before it answers', {
      hint: 'By default it syncs every two minutes. Leave durability out, or use a backend that can show it.',
    });
  }
  if (durability === 'process' && (storage === 'memory' || isAsync)) {
    throw new BusbarError('UNSUPPORTED', 'a stream in memory does not survive its server', {
      hint: 'Use storage=file without persist_mode async, or leave durability out.',
    });
  }
}

function warningsOf({ storage, isAsync, maxConsumers }: StreamFacts): Warning[] {
  const warnings: Warning[] = [
    { text: 'A client cannot read how often the server syncs (sync_interval).', hint: 'Look at its configuration.' },
  ];
  if (storage === 'memory') {
    warnings.push({
      text: 'A stream is in memory: it is lost when the server stops.',
      hint: 'Delete the streams and open again with storage file.',
    });
  }
  if (isAsync) {
    warnings.push({
      text: 'A stream has persist_mode async: the server answers before it writes.',
      hint: 'Delete the streams and open again.',
    });
  }
  if (maxConsumers < MANY_CONSUMERS) {
    warnings.push({
      text: `The stream of queues allows ${maxConsumers} consumers (max_consumers); each queue needs at least one.`,
      hint: 'Raise it with nats stream edit.',
    });
  }
  return warnings;
}
