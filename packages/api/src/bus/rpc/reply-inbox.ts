/** The reply queue of one bus: passes replies and control messages to their requests. */

import { isBusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { Delivery, MessageInput } from '../../contract/message.ts';
import { backoffMs } from '../consuming/backoff.ts';
import { REPLY_PREFIX } from '../registry/agent-names.ts';
import type { BusRuntime } from '../runtime.ts';
import { CLEANUP_MS } from '../shutdown.ts';
import { controlOf, FRESH_MS, REPLY_INBOX, toControl } from './protocol.ts';

/** Receives the messages of one request. */
export type OnReplyMessage = (message: Delivery) => void;

const MAX_BATCH = 256;
const RECONNECT = { baseMs: 100, factor: 2, maxMs: 5000, jitter: 'full' } as const;

/** A queue that expires soon after its bus is gone. */
export class ReplyInbox {
  readonly queue: string;
  readonly #runtime: BusRuntime;
  readonly #listeners = { requester: new Map<string, OnReplyMessage>(), server: new Map<string, OnReplyMessage>() };
  readonly #onOrphan: (message: Delivery) => void;
  readonly #end = new AbortController();
  #opened: Promise<void> | undefined;
  #loop: Promise<void> | undefined;
  #usedAt = Number.NEGATIVE_INFINITY;
  #keepAliveTimer: ReturnType<typeof setInterval> | undefined;

  /** `onOrphan` gets messages of unknown requests. */
  constructor(runtime: BusRuntime, onOrphan: (message: Delivery) => void) {
    this.#runtime = runtime;
    this.#onOrphan = onOrphan;
    this.queue = `${REPLY_PREFIX}${runtime.instance}`;
    runtime.shutdown.add('services', { close: () => this.#close() });
    runtime.declarations.add({ kind: 'request' }, async () => {
      if (this.#loop !== undefined) await this.#configure();
    });
  }

  /** Resolves when the queue exists and its messages are passed on. */
  async open(): Promise<void> {
    if (performance.now() - this.#usedAt < FRESH_MS) return;
    this.#opened ??= this.#configure();
    try {
      await this.#opened;
    } finally {
      this.#opened = undefined;
    }
  }

  /** Passes messages of a request to one side of it; both sides can be on this bus. Returns a function that ends this. */
  listen(side: 'requester' | 'server', request: string, listener: OnReplyMessage): () => void {
    const listeners = this.#listeners[side];
    listeners.set(request, listener);
    this.#keepAliveTimer ??= setInterval(() => this.#keepAlive(), FRESH_MS);
    return () => {
      listeners.delete(request);
      if (this.#listeners.requester.size + this.#listeners.server.size > 0) return;
      clearInterval(this.#keepAliveTimer);
      this.#keepAliveTimer = undefined;
    };
  }

  /** Sends to another inbox. Resolves with whether that exists. */
  async send(queue: string, message: MessageInput): Promise<boolean> {
    try {
      await this.#runtime.sendToQueue(queue, message, { create: false });
      return true;
    } catch (error) {
      if (isBusbarError(error) && error.code === 'NOT_FOUND') return false;
      throw error;
    }
  }

  /** Sends a control message that may get lost. */
  sendControl(queue: string, message: MessageInput): void {
    this.send(queue, message).catch((error: unknown) => this.#runtime.report(error, { kind: 'request' }));
  }

  /** Resolves when all messages that are in the queue now are passed on. */
  async flush(): Promise<void> {
    const id = newId();
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = this.listen('server', id, () => resolve());
    try {
      // The lowest priority: it arrives after every reply.
      const isSent = await this.send(this.queue, { ...toControl('credit', id), priority: 0 });
      if (isSent) await promise;
    } catch (error) {
      this.#runtime.report(error, { kind: 'request' });
    }
    stop();
  }

  async #configure(): Promise<void> {
    await this.#runtime.transport.queues.configure(this.queue, REPLY_INBOX);
    this.#usedAt = performance.now();
    this.#loop ??= this.#run();
  }

  /** Sends a message to itself, so that the queue does not expire while requests are pending. */
  #keepAlive(): void {
    if (this.#loop === undefined || performance.now() - this.#usedAt < FRESH_MS) return;
    this.sendControl(this.queue, toControl('credit', this.queue));
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#end.signal.aborted) {
      try {
        // The requests that wait for messages keep the process alive.
        const bounds = { keepsAlive: false, signal: this.#end.signal };
        const options = { max: MAX_BATCH, waitMs: Number.POSITIVE_INFINITY, ...bounds };
        this.#take(await this.#runtime.transport.queues.receive(this.queue, options));
        failures = 0;
      } catch (error) {
        if (this.#end.signal.aborted || (isBusbarError(error) && error.code === 'CLOSED')) return;
        failures += 1;
        if (failures === 1) this.#runtime.report(error, { kind: 'request' });
        await new Promise((resolve) => setTimeout(resolve, backoffMs(RECONNECT, failures)).unref?.());
      }
    }
  }

  #take(messages: readonly Delivery[]): void {
    this.#usedAt = performance.now();
    for (const message of messages) {
      void this.#runtime.leases.settleNow({ receipt: message.receipt, action: 'ack' });
      const control = controlOf(message);
      const side = control === 'credit' || control === 'cancel' ? 'server' : 'requester';
      const listener = this.#listeners[side].get(message.correlationId ?? '');
      if (listener === undefined) this.#onOrphan(message);
      else listener(message);
    }
  }

  async #close(): Promise<void> {
    clearInterval(this.#keepAliveTimer);
    this.#end.abort();
    if (this.#loop === undefined) return;
    await this.#loop;
    await this.#runtime.transport.admin.deleteQueue(this.queue, { timeoutMs: CLEANUP_MS }).catch(() => undefined);
  }
}
