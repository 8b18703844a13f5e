/** The mailbox of one bus for emulated calls: what comes is handed to the calls it is about. */

import { isBusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { Delivery, MessageInput } from '../../contract/message.ts';
import { backoffMs } from '../consuming/backoff.ts';
import type { BusKernel } from '../runtime.ts';
import { TIDY_MS } from '../shutdown.ts';
import { BOX_FRESH_MS, BOX_QUEUE, noteOf, toNote } from './protocol.ts';

/** Gets what came about one request. */
export type OnCallMessage = (message: Delivery) => void;

const MAX_BATCH = 256;
const RECONNECT = { baseMs: 100, factor: 2, maxMs: 5000, jitter: 'full' } as const;

/** A queue that lives as long as its bus, and not much longer. */
export class CallBox {
  /** The name of its queue. */
  readonly queue: string;
  readonly #kernel: BusKernel;
  readonly #listeners = { asker: new Map<string, OnCallMessage>(), server: new Map<string, OnCallMessage>() };
  readonly #onStray: (message: Delivery) => void;
  readonly #end = new AbortController();
  #opened: Promise<void> | undefined;
  #loop: Promise<void> | undefined;
  #usedAt = Number.NEGATIVE_INFINITY;
  #keeper: ReturnType<typeof setInterval> | undefined;

  /** `onStray` gets what is about no request that is listened for. */
  constructor(kernel: BusKernel, onStray: (message: Delivery) => void) {
    this.#kernel = kernel;
    this.#onStray = onStray;
    this.queue = `$reply.${kernel.instance}`;
    kernel.lifetime.add('foundation', { close: () => this.#close() });
  }

  /** Once resolved, the queue is there and what comes is handed out. */
  async open(): Promise<void> {
    if (performance.now() - this.#usedAt < BOX_FRESH_MS) return;
    this.#opened ??= this.#configure();
    try {
      await this.#opened;
    } finally {
      this.#opened = undefined;
    }
  }

  /** Hands what comes about `request` to one side of it (both may be on this bus). Returns what ends that. */
  listen(side: 'asker' | 'server', request: string, listener: OnCallMessage): () => void {
    const listeners = this.#listeners[side];
    listeners.set(request, listener);
    this.#keeper ??= setInterval(() => this.#keep(), BOX_FRESH_MS);
    return () => {
      listeners.delete(request);
      if (this.#listeners.asker.size + this.#listeners.server.size > 0) return;
      clearInterval(this.#keeper);
      this.#keeper = undefined;
    };
  }

  /** Sends to another box. Resolves with false where that has gone. */
  async send(queue: string, message: MessageInput): Promise<boolean> {
    try {
      await this.#kernel.sendTo(queue, message, { create: false });
      return true;
    } catch (error) {
      if (isBusbarError(error) && error.code === 'NOT_FOUND') return false;
      throw error;
    }
  }

  /** Sends a note that may get lost. */
  note(queue: string, message: MessageInput): void {
    this.send(queue, message).catch((error: unknown) => this.#kernel.report(error, 'call'));
  }

  /** Resolves when all that is in the queue now was handed out. */
  async flush(): Promise<void> {
    const id = newId();
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = this.listen('server', id, () => resolve());
    try {
      // The lowest priority: it comes behind every reply.
      const isSent = await this.send(this.queue, { ...toNote('credit', id), priority: 0 });
      if (isSent) await promise;
    } catch (error) {
      this.#kernel.report(error, 'call');
    }
    stop();
  }

  async #configure(): Promise<void> {
    await this.#kernel.transport.queues.configure(this.queue, BOX_QUEUE);
    this.#usedAt = performance.now();
    this.#loop ??= this.#run();
  }

  /** While answers are awaited the queue must not count as idle. */
  #keep(): void {
    if (this.#loop === undefined || performance.now() - this.#usedAt < BOX_FRESH_MS) return;
    this.note(this.queue, toNote('credit', this.queue));
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#end.signal.aborted) {
      try {
        const wanted = { max: MAX_BATCH, waitMs: Number.POSITIVE_INFINITY, signal: this.#end.signal };
        this.#take(await this.#kernel.transport.queues.receive(this.queue, wanted));
        failures = 0;
      } catch (error) {
        if (this.#end.signal.aborted || (isBusbarError(error) && error.code === 'CLOSED')) return;
        failures += 1;
        if (failures === 1) this.#kernel.report(error, 'call');
        await new Promise((resolve) => setTimeout(resolve, backoffMs(RECONNECT, failures)));
      }
    }
  }

  #take(messages: readonly Delivery[]): void {
    this.#usedAt = performance.now();
    for (const message of messages) {
      void this.#kernel.leases.settleNow({ receipt: message.receipt, action: 'ack' });
      const note = noteOf(message);
      const side = note === 'credit' || note === 'gone' ? 'server' : 'asker';
      const listener = this.#listeners[side].get(message.correlationId ?? '');
      if (listener === undefined) this.#onStray(message);
      else listener(message);
    }
  }

  async #close(): Promise<void> {
    clearInterval(this.#keeper);
    this.#end.abort();
    if (this.#loop === undefined) return;
    await this.#loop;
    await this.#kernel.transport.admin.deleteQueue(this.queue, { timeoutMs: TIDY_MS }).catch(() => undefined);
  }
}
