/** Calls for transports that have none: emulated over queues and entries, with the same outcomes. */

import { BusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { Delivery, Message, MessageInput } from '../../contract/message.ts';
import type { CallHandler, CallOptions, Calls, ServeOptions, Service } from '../../contract/transport.ts';
import { agentAt } from '../registry/agent-names.ts';
import type { Heartbeats } from '../registry/heartbeats.ts';
import { isPart } from '../requests/replies.ts';
import type { BusKernel } from '../runtime.ts';
import { CallDirectory } from './directory.ts';
import { PendingCall } from './pending-call.ts';
import { CALL_QUEUE, ID_HEADER, noteOf, toNote } from './protocol.ts';
import { CallBox } from './reply-inbox.ts';
import { CallServers } from './server.ts';

const DEFAULT_TIMEOUT_MS = 30_000;

/** Calls over queues. Opens nothing before it is used. */
export class CallsOverQueues implements Calls {
  readonly #kernel: BusKernel;
  readonly #box: CallBox;
  readonly #directory: CallDirectory;
  readonly #servers: CallServers;
  readonly #pending = new Set<PendingCall>();

  constructor(kernel: BusKernel, heartbeats: Heartbeats) {
    this.#kernel = kernel;
    this.#box = new CallBox(kernel, (message) => this.#stray(message));
    this.#directory = new CallDirectory(kernel, (address, box, isLast) => this.#serverGone(address, box, isLast));
    this.#servers = new CallServers(kernel, heartbeats, this.#box);
    kernel.lifetime.add('foundation', { close: () => this.#close() });
  }

  serve(address: string, options: ServeOptions, handler: CallHandler): Promise<Service> {
    return this.#servers.serve(address, options, handler);
  }

  async *call(address: string, message: MessageInput, options: CallOptions = {}): AsyncGenerator<Message> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
    const id = newId();
    const pending = new PendingCall(address, timeoutMs, signal);
    this.#pending.add(pending);
    const stop = this.#box.listen('asker', id, (reply) => pending.take(reply));
    let isOver = false;
    try {
      await pending.until(this.#ask(id, pending, message, timeoutMs));
      while (!isOver) {
        const reply = await pending.next();
        isOver = !isPart(reply);
        yield reply;
        this.#creditFor(id, pending);
      }
    } finally {
      stop();
      pending.end();
      this.#pending.delete(pending);
      if (!isOver && pending.wasSent) this.#leave(id, pending);
    }
  }

  async #ask(id: string, pending: PendingCall, message: MessageInput, timeoutMs: number): Promise<void> {
    const { address } = pending;
    if (!(await this.#directory.isServed(address))) throw noResponder(address);
    await this.#box.open();
    if (pending.isOver) return;
    const request = {
      ...message,
      id,
      replyTo: this.#box.queue,
      maxAttempts: 1,
      ...(timeoutMs === Number.POSITIVE_INFINITY ? {} : { ttlMs: timeoutMs }),
      ...(message.id === undefined ? {} : { headers: { ...message.headers, [ID_HEADER]: message.id } }),
    };
    pending.wasSent = true;
    if (await this.#box.send(address, request)) return;
    // Somebody serves, so the queue went for being idle just now.
    await this.#kernel.transport.queues.configure(address, CALL_QUEUE);
    await this.#kernel.sendTo(address, request);
  }

  #creditFor(id: string, pending: PendingCall): void {
    const { server, creditDue } = pending;
    if (server !== undefined && creditDue !== undefined) this.#box.note(server, toNote('credit', id, creditDue));
  }

  /** Tells the responder that nobody waits any more; a request that was not taken yet is taken back. */
  #leave(id: string, { server, address }: PendingCall): void {
    if (this.#kernel.lifetime.isClosing && server === undefined) return;
    if (server !== undefined) this.#box.note(server, toNote('gone', id));
    else if (this.#kernel.transport.capabilities.features.cancel) {
      this.#kernel.transport.admin.cancel(address, [id]).catch(() => undefined);
    }
  }

  /** A reply that nobody waits for. Who sends more of them is told. */
  #stray(message: Delivery): void {
    const { correlationId, replyTo } = message;
    const isLate = noteOf(message) === 'begun' || isPart(message);
    if (isLate && correlationId !== undefined && replyTo !== undefined) {
      this.#box.note(replyTo, toNote('gone', correlationId));
    }
  }

  /** Fails what waits for a responder that has gone, once the replies that it had sent before are read. */
  #serverGone(address: string, box: string, isLast: boolean): void {
    const waiting = [...this.#pending].filter((pending) => pending.address === address && pending.wasSent);
    const gone = waiting.filter(({ server }) => server === box || (server === undefined && isLast));
    if (gone.length === 0) return;
    void this.#box.flush().then(() => {
      for (const pending of gone) {
        if (pending.server === box) pending.fail(responderGone());
        else if (pending.server === undefined) pending.fail(noResponder(address, 'unknown'));
      }
    });
  }

  async #close(): Promise<void> {
    const error = new BusbarError('CLOSED', 'the bus closes', { outcome: 'unknown' });
    for (const pending of this.#pending) pending.fail(error);
  }
}

function noResponder(address: string, outcome: 'failed' | 'unknown' = 'failed'): BusbarError {
  return new BusbarError('NO_RESPONDER', `nobody answers requests to ${agentAt(address)}`, { outcome });
}

function responderGone(): BusbarError {
  return new BusbarError('CLOSED', 'the responder went away before it had answered', {
    outcome: 'unknown',
    hint: 'It may have done what was asked; ask again where that does no harm, or use durable: true.',
  });
}
