/** One namespace of a store: its queues, event log, key-value pairs and calls. */

import { DeadlineQueue, type PreparedMessage, type WaitingReceives } from '@busbar/api/driver';
import {
  type Binding,
  type From,
  matchTopic,
  newId,
  type PublishResult,
  QUEUE_DEFAULTS,
  type StorePast,
  type StoreReset,
} from '@busbar/api/transport';
import { CallTable } from './call-table.ts';
import { NamespaceGate } from './gate.ts';
import { KvStore } from './kv.ts';
import type { MemorySettings } from './options.ts';
import { Queue, type QueueContext } from './queues/queue.ts';
import { EventLog, type LogEvent } from './topics/event-log.ts';

/** The patterns bound to a queue, each with the number of the first event that it covers. */
type Patterns = Map<string, number>;

/** One namespace of a store. */
export class Namespace {
  readonly deadlines: DeadlineQueue = new DeadlineQueue();
  readonly queues: Map<string, Queue> = new Map();
  readonly bindings: Map<string, Patterns> = new Map();
  readonly kv: KvStore = new KvStore(this.deadlines);
  readonly calls: CallTable = new CallTable();
  readonly log: EventLog;
  readonly gate: NamespaceGate = new NamespaceGate({
    close: () => this.#close(),
    open: () => this.deadlines.resume(),
    wake: () => {
      for (const waiting of this.#waiting) waiting.wakeAll();
    },
  });
  readonly #context: QueueContext;
  /** Begins with the time: receipts of a store that ended with its process mean nothing in the next one. */
  #counter = Date.now() * 1000;
  #incarnation = newId();
  /** The waiting receives of each transport, the least recently woken first. */
  readonly #waiting = new Set<WaitingReceives>();
  /** Called after the namespace was cleared. */
  readonly resetListeners: Set<(reset: StoreReset) => void> = new Set();

  constructor(storeId: string, settings: MemorySettings) {
    this.log = new EventLog(storeId, settings, this.deadlines);
    this.#context = {
      deadlines: this.deadlines,
      defaults: { ...QUEUE_DEFAULTS, maxLength: settings.maxLength },
      wake: (queue) => this.#wake(queue),
      recheck: (queue) => {
        for (const waiting of this.#waiting) waiting.wake(queue.name);
      },
      next: () => ++this.#counter,
      expire: (queue) => this.deleteQueue(queue.name),
      putEntry: ({ key, value, ttlMs }) => this.kv.put(key, value, { ttlMs, ifRevision: undefined }),
    };
  }

  /** The past of the namespace. It cannot be rolled back. */
  get past(): StorePast {
    return { incarnation: this.#incarnation, counter: 0 };
  }

  /** The queue of this name; creates it if needed. */
  queue(name: string): Queue {
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = new Queue(name, this.#context);
      this.queues.set(name, queue);
    }
    return queue;
  }

  /** Adds the waiting receives of one transport, and returns what removes them. */
  join(waiting: WaitingReceives): () => void {
    this.#waiting.add(waiting);
    return () => void this.#waiting.delete(waiting);
  }

  publish(topic: string, message: PreparedMessage): PublishResult {
    return this.log.append(topic, message, (event) => this.#fanOut(event));
  }

  /** Gives an event to the cursors that are open now. */
  publishEphemeral(topic: string, message: PreparedMessage): PublishResult {
    for (const cursor of this.log.cursors) cursor.offer(topic, message);
    return { id: message.id, status: 'stored' };
  }

  /** Binds queue `name` to `pattern`. Copies the history from `from` at once: a log in memory is short enough. */
  bind(name: string, pattern: string, from: From): void {
    const patterns: Patterns = this.bindings.get(name) ?? new Map();
    if (patterns.has(pattern)) return;
    const since = this.log.resolve(from);
    const queue = this.queue(name);
    const { events } = this.log.read(since, Number.POSITIVE_INFINITY, (topic) => matchTopic(pattern, topic));
    for (const event of events) {
      const message = covers(patterns, event) ? undefined : aged(event);
      if (message !== undefined) queue.offer(message);
    }
    this.bindings.set(name, patterns.set(pattern, since));
    queue.dispatch();
  }

  unbind(name: string, pattern: string): void {
    const patterns = this.bindings.get(name);
    patterns?.delete(pattern);
    if (patterns?.size === 0) this.bindings.delete(name);
  }

  *listBindings(): Iterable<Binding> {
    for (const [queue, patterns] of this.bindings) for (const pattern of patterns.keys()) yield { queue, pattern };
  }

  deleteQueue(name: string): boolean {
    const queue = this.queues.get(name);
    if (queue === undefined) return false;
    this.bindings.delete(name);
    queue.close();
    return this.queues.delete(name);
  }

  clear(): void {
    for (const name of [...this.queues.keys()]) this.deleteQueue(name);
    this.bindings.clear();
    this.log.clear();
    this.kv.clear();
    this.#incarnation = newId();
    for (const listener of this.resetListeners) listener({ cause: 'replaced' });
  }

  /** Frees the timers. */
  end(): void {
    this.deadlines.clear();
    this.gate.clear();
  }

  #close(): void {
    this.deadlines.runDue();
    for (const queue of this.queues.values()) queue.endLeases();
    this.deadlines.pause();
  }

  #fanOut(event: LogEvent): void {
    for (const [name, patterns] of this.bindings) {
      if (!covers(patterns, event)) continue;
      const queue = this.queue(name);
      queue.offer(event.message);
      queue.dispatch();
    }
    for (const cursor of this.log.cursors) cursor.wake();
  }

  /** Wakes the transports in turn until the messages that are ready are leased. */
  #wake(queue: Queue): void {
    for (const waiting of [...this.#waiting]) {
      if (!queue.isReady) return;
      if (!waiting.wake(queue.name)) continue;
      this.#waiting.delete(waiting);
      this.#waiting.add(waiting);
    }
  }
}

function covers(patterns: Patterns, { topic, seq }: LogEvent): boolean {
  for (const [pattern, since] of patterns) if (seq >= since && matchTopic(pattern, topic)) return true;
  return false;
}

/** The message of a past event, with the rest of its delay and time to live; undefined when it has expired. */
function aged({ message, since }: LogEvent): PreparedMessage | undefined {
  const age = performance.now() - since;
  const delayMs = Math.max(0, message.delayMs - age);
  if (message.ttlMs === undefined) return { ...message, delayMs };
  return message.ttlMs > age ? { ...message, delayMs, ttlMs: message.ttlMs - age } : undefined;
}
