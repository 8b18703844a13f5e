/** The store behind a hub: its operations with time limits, over one connection that is restored after a loss. */

import type { CallContext, CallDriver, Driver, PreparedMessage, TopicDriver } from '@busbar/api/driver';
import { BoundedWait, CursorPump, type PumpLimit, type TaskStore } from '@busbar/api/parts';
import {
  BusbarError,
  type CallOptions,
  type Capabilities,
  type KeyValue,
  type KvWatch,
  type Message,
  type StateChange,
  type StoreReset,
} from '@busbar/api/transport';
import {
  HubClient,
  type HubClientOptions,
  remoteCalls,
  remoteKv,
  remoteQueueAdmin,
  remoteQueues,
  remoteTopics,
  ServiceRegistry,
} from '@busbar/transport-socket/client';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_BATCH = 1_000;
const NEVER = new AbortController().signal;
/** Only the number of items limits a batch. */
export const BATCH_LIMIT: PumpLimit<unknown> = { max: MAX_BATCH, maxItemBytes: 1, sizeOf: () => 0 };

/** What an operation runs with, and how long it may take. */
type Bounded = <T>(bounds: CallOptions | undefined, work: (context: CallContext) => Promise<T>) => Promise<T>;

export class HubStore implements TaskStore {
  readonly capabilities: Capabilities;
  readonly queues: ReturnType<typeof remoteQueues>;
  readonly topics: TopicDriver;
  readonly calls: CallDriver;
  readonly kv: KeyValue;
  readonly admin: TaskStore['admin'] & { readonly queues: Driver['admin']['queues'] };
  readonly #client: HubClient;

  private constructor(client: HubClient, services: ServiceRegistry, agent: string | undefined) {
    this.#client = client;
    this.capabilities = client.welcome.capabilities;
    this.queues = remoteQueues(client, agent);
    this.topics = remoteTopics(client, agent);
    this.calls = remoteCalls(client, services);
    this.kv = openKv(client, this.bounded);
    this.admin = openAdmin(client, this.bounded);
  }

  /** Connects. */
  static async open(options: HubClientOptions): Promise<HubStore> {
    const services = new ServiceRegistry();
    const client = new HubClient(options, services);
    try {
      await client.open();
      return new HubStore(client, services, options.info.agent);
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  onState(listener: (change: StateChange) => void): void {
    this.#client.onState(listener);
  }

  onReset(listener: (reset: StoreReset) => void): void {
    this.#client.onReset(listener);
  }

  /** Runs an operation until its time is over or its signal fires. */
  readonly bounded: Bounded = async (bounds, work) => {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal = NEVER } = bounds ?? {};
    const wait = new BoundedWait({ waitMs: timeoutMs, signal, timeoutError: () => this.#late() });
    try {
      wait.throwIfCancelled();
      return await wait.race(work({ signal, deadline: wait.deadline }));
    } finally {
      wait.end();
    }
  };

  /** The replies to a call. */
  call(address: string, message: PreparedMessage, deadline: number): AsyncIterator<Message> {
    return this.calls.call(address, message, { signal: NEVER, deadline })[Symbol.asyncIterator]();
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  #late(): BusbarError {
    return this.#client.isConnected
      ? new BusbarError('TIMEOUT', 'the hub did not respond in time', { outcome: 'unknown' })
      : new BusbarError('UNAVAILABLE', 'the hub cannot be reached', { outcome: 'unknown' });
  }
}

function openKv(client: HubClient, bounded: Bounded): KeyValue {
  const kv = remoteKv(client);
  return {
    get: (key, options) => bounded(options, (context) => kv.get(key, context)),
    put: (key, value, { ttlMs, ifRevision, ...bounds } = {}) =>
      bounded(bounds, (context) => kv.put(key, value, { ttlMs, ifRevision }, context)),
    touch: (touches, options) => bounded(options, (context) => kv.touch(touches, context)),
    delete: (key, { ifRevision, ...bounds } = {}) => bounded(bounds, (context) => kv.delete(key, ifRevision, context)),
    list: (prefix, { limit = MAX_BATCH, after, ...bounds } = {}) =>
      bounded(bounds, (context) => kv.list(prefix, { limit, after }, context)),
    async watch(prefix, onChanges, options): Promise<KvWatch> {
      const cursor = await bounded(options, (context) => kv.watch(prefix, context));
      return new CursorPump(cursor, BATCH_LIMIT, onChanges);
    },
  };
}

function openAdmin(client: HubClient, bounded: Bounded): HubStore['admin'] {
  const admin = remoteQueueAdmin(client);
  return {
    queues: admin.queues,
    browse: (queue, { state, ids, limit = 100, after, ...bounds } = {}) =>
      bounded(bounds, (context) => admin.browse(queue, { state, ids, limit, after }, context)),
    cancel: (queue, ids, options) => bounded(options, (context) => admin.cancel(queue, ids, context)),
    reschedule: (queue, ids, delayMs, options) =>
      bounded(options, (context) => admin.reschedule(queue, ids, delayMs, context)),
  };
}
