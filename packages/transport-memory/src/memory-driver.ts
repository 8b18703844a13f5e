/** The driver over a store in this process. Each method runs what is due, then acts in one synchronous step. */

import {
  type AdminDriver,
  type CallDriver,
  type ClaimRequest,
  type ClaimResult,
  type Driver,
  type KvDriver,
  type QueueDriver,
  type TopicDriver,
  unknownQueue,
  WaitingReceives,
} from '@busbar/api/driver';
import {
  type Capabilities,
  type Delivery,
  declareFeatures,
  type StorePast,
  type StoreReset,
  type Warning,
} from '@busbar/api/transport';
import { openAdmin } from './admin/admin.ts';
import type { Namespace } from './namespace.ts';
import type { MemorySettings } from './options.ts';
import type { Queue } from './queues/queue.ts';
import { Store } from './store.ts';
import { EventCursor } from './topics/event-cursor.ts';

const OWN_THREAD: Warning = {
  text: 'this store belongs to one worker thread: other threads of the process have stores of their own',
  hint: 'Use sqlite:, or a hub (unix:), between threads.',
};

/** The driver over a store in this process. */
export class MemoryDriver implements Driver {
  readonly name = 'memory';
  readonly capabilities: Capabilities;
  readonly warnings: readonly Warning[] = isWorkerThread() ? [OWN_THREAD] : [];
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  readonly calls: CallDriver;
  readonly #store: Store;
  readonly #namespace: Namespace;
  readonly #leave: () => void;
  #resetListener: ((reset: StoreReset) => void) | undefined;

  constructor(settings: MemorySettings) {
    this.#store = Store.open(settings.name);
    const namespace = this.#store.namespace(settings);
    this.capabilities = declare(settings);
    const waiting = new WaitingReceives();
    this.#namespace = namespace;
    this.#leave = namespace.join(waiting);
    this.queues = openQueues(namespace, waiting);
    this.topics = openTopics(namespace);
    this.kv = openKv(namespace);
    this.admin = openAdmin(namespace);
    this.calls = {
      serve: async (address, max, handler) => namespace.calls.serve(address, max, handler),
      call: (address, message, context) => namespace.calls.call(address, message, context.signal),
    };
  }

  get past(): StorePast {
    return this.#namespace.past;
  }

  onReset(listener: (reset: StoreReset) => void): void {
    this.#namespace.resetListeners.add(listener);
    this.#resetListener = listener;
  }

  async close(): Promise<void> {
    if (this.#resetListener !== undefined) this.#namespace.resetListeners.delete(this.#resetListener);
    this.#leave();
    this.#store.leave();
  }
}

function openQueues(namespace: Namespace, waiting: WaitingReceives): QueueDriver {
  return {
    async send(name, messages, create) {
      namespace.gate.check();
      namespace.deadlines.runDue();
      if (!create && namespace.queues.get(name) === undefined) throw unknownQueue(name);
      return namespace.queue(name).send(messages);
    },
    async claim(name, request) {
      namespace.gate.check();
      namespace.deadlines.runDue();
      if (!namespace.gate.isClaimable) return nothing(request);
      return claim(namespace.queues.get(name), request);
    },
    waiting,
    async settle(settlements) {
      namespace.gate.check();
      namespace.deadlines.runDue();
      const { now } = namespace.deadlines;
      return settlements.map((settlement) => {
        const queue = namespace.queues.get(settlement.receipt.slice(0, settlement.receipt.lastIndexOf('#')));
        return queue?.settle(settlement, now) ?? { receipt: settlement.receipt, status: 'lease-lost' };
      });
    },
    async configure(name, settings) {
      namespace.gate.check();
      namespace.queue(name).configure(settings);
    },
  };
}

/** The claim of a store that is draining. Its receives wait. */
function nothing(request: ClaimRequest): ClaimResult {
  request.receivers();
  return { deliveries: [], hasMore: false };
}

function claim(queue: Queue | undefined, request: ClaimRequest): ClaimResult {
  if (queue === undefined) return { deliveries: [], hasMore: false };
  const deliveries: Delivery[][] = [];
  for (const { max, consumer } of request.receivers()) {
    const leased = queue.claim(max, consumer);
    deliveries.push(leased);
    if (leased.length < max) break;
  }
  const { expireIdleMs } = queue.settings;
  return { deliveries, hasMore: queue.isReady, recheckMs: expireIdleMs / 4 };
}

function openTopics(namespace: Namespace): TopicDriver {
  return {
    async publish(topic, messages, ephemeral) {
      if (!ephemeral) namespace.gate.check();
      namespace.deadlines.runDue();
      return messages.map((message) =>
        ephemeral ? namespace.publishEphemeral(topic, message) : namespace.publish(topic, message),
      );
    },
    async open(pattern, from) {
      return new EventCursor(namespace.log, pattern, namespace.log.resolve(from));
    },
    async bind(queue, pattern, from) {
      namespace.gate.check();
      namespace.bind(queue, pattern, from);
    },
    async unbind(queue, pattern) {
      namespace.gate.check();
      namespace.unbind(queue, pattern);
    },
  };
}

function openKv({ deadlines, kv, gate }: Namespace): KvDriver {
  const due = async <T>(act: () => T): Promise<T> => {
    deadlines.runDue();
    return act();
  };
  const change = async <T>(act: () => T): Promise<T> => {
    gate.check();
    return due(act);
  };
  return {
    get: (key) => due(() => kv.get(key)),
    put: (key, value, condition) => change(() => kv.put(key, value, condition)),
    touch: (touches) => change(() => touches.map((touch) => kv.touch(touch))),
    delete: (key, ifRevision) => change(() => kv.delete(key, ifRevision)),
    list: (prefix, page) => due(() => kv.list(prefix, page)),
    watch: (prefix) => due(() => kv.watch(prefix)),
  };
}

function declare({ maxBodyBytes, retention }: MemorySettings): Capabilities {
  return {
    durability: 'none',
    reach: 'process',
    ...declareFeatures({ dedupeSurvivesRestart: 'Nothing survives the process that holds it.' }),
    lease: 'timed',
    priorityLevels: 10,
    attemptLossMs: 0,
    settleLossMs: 0,
    granularityMs: 2,
    reclaimMs: 1000,
    maxBodyBytes,
    retention,
  };
}

/** Asked without an import, so that the package runs without Node, too. */
function isWorkerThread(): boolean {
  const threads = globalThis.process?.getBuiltinModule?.('node:worker_threads');
  return threads !== undefined && !threads.isMainThread;
}
