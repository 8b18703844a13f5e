/** Calls over queues and keys, for transports without calls. The outcomes are the same. */

import type { CallOptions } from '../../contract/call-options.ts';
import type { CallHandler, Calls, ServeOptions, Service } from '../../contract/calls.ts';
import { BusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { Delivery, Message, MessageInput } from '../../contract/message.ts';
import { agentAt } from '../registry/agent-names.ts';
import type { Heartbeats } from '../registry/heartbeats.ts';
import { isPart } from '../requests/replies.ts';
import type { BusRuntime } from '../runtime.ts';
import { ServerDirectory } from './directory.ts';
import { PendingRequest } from './pending-request.ts';
import { CALL_QUEUE, controlOf, ID_HEADER, toControl } from './protocol.ts';
import { ReplyInbox } from './reply-inbox.ts';
import { RpcServer } from './server.ts';

const DEFAULT_TIMEOUT_MS = 30_000;

/** Calls over queues. It opens nothing before its first use. */
export class RpcClient implements Calls {
  readonly #runtime: BusRuntime;
  readonly #inbox: ReplyInbox;
  readonly #directory: ServerDirectory;
  readonly #server: RpcServer;
  readonly #pending = new Set<PendingRequest>();

  constructor(runtime: BusRuntime, heartbeats: Heartbeats) {
    this.#runtime = runtime;
    this.#inbox = new ReplyInbox(runtime, (message) => this.#onOrphan(message));
    this.#directory = new ServerDirectory(runtime, (address, inbox, isLast) =>
      this.#onServerGone(address, inbox, isLast),
    );
    this.#server = new RpcServer(runtime, heartbeats, this.#inbox);
    runtime.shutdown.add('services', { close: () => this.#close() });
  }

  serve(address: string, options: ServeOptions, handler: CallHandler): Promise<Service> {
    return this.#server.serve(address, options, handler);
  }

  async *call(address: string, message: MessageInput, options: CallOptions = {}): AsyncGenerator<Message> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
    const id = newId();
    const pending = new PendingRequest(address, timeoutMs, signal);
    this.#pending.add(pending);
    const stop = this.#inbox.listen('requester', id, (reply) => pending.take(reply));
    let isOver = false;
    try {
      await pending.until(this.#request(id, pending, message, timeoutMs));
      while (!isOver) {
        const reply = await pending.next();
        isOver = !isPart(reply);
        yield reply;
        this.#sendCredit(id, pending);
      }
    } finally {
      stop();
      pending.end();
      this.#pending.delete(pending);
      if (!isOver && pending.wasSent) this.#cancel(id, pending);
    }
  }

  async #request(id: string, pending: PendingRequest, message: MessageInput, timeoutMs: number): Promise<void> {
    const { address } = pending;
    if (!(await this.#directory.isServed(address))) throw noResponder(address);
    await this.#inbox.open();
    if (pending.isOver) return;
    const request = {
      ...message,
      id,
      replyTo: this.#inbox.queue,
      maxAttempts: 1,
      ttlMs: timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs,
      ...(message.id === undefined ? {} : { headers: { ...message.headers, [ID_HEADER]: message.id } }),
    };
    pending.wasSent = true;
    if (await this.#inbox.send(address, request)) return;
    // There is a server, so the queue has just expired as idle.
    await this.#runtime.transport.queues.configure(address, CALL_QUEUE);
    await this.#runtime.sendToQueue(address, request);
  }

  #sendCredit(id: string, pending: PendingRequest): void {
    const { server, creditDue } = pending;
    if (server !== undefined && creditDue !== undefined)
      this.#inbox.sendControl(server, toControl('credit', id, creditDue));
  }

  /** Cancels a request: tells its server, or removes the request from the queue. */
  #cancel(id: string, { server, address }: PendingRequest): void {
    if (this.#runtime.shutdown.isClosing && server === undefined) return;
    if (server !== undefined) this.#inbox.sendControl(server, toControl('cancel', id));
    else if (this.#runtime.transport.capabilities.features.cancel) {
      this.#runtime.transport.admin.cancel(address, [id]).catch(() => undefined);
    }
  }

  /** Cancels the request of a reply without a waiting requester. */
  #onOrphan(message: Delivery): void {
    const { correlationId, replyTo } = message;
    const isLate = controlOf(message) === 'accepted' || isPart(message);
    if (isLate && correlationId !== undefined && replyTo !== undefined) {
      this.#inbox.sendControl(replyTo, toControl('cancel', correlationId));
    }
  }

  /** Fails requests of a server that is gone, after the replies that it sent before are read. */
  #onServerGone(address: string, inbox: string, isLast: boolean): void {
    const waiting = [...this.#pending].filter((pending) => pending.address === address && pending.wasSent);
    const gone = waiting.filter(({ server }) => server === inbox || (server === undefined && isLast));
    if (gone.length === 0) return;
    void this.#inbox.flush().then(() => {
      for (const pending of gone) {
        if (pending.server === inbox) pending.fail(responderGone());
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
  return new BusbarError('NO_RESPONDER', `no instance of ${agentAt(address)} serves requests`, { outcome });
}

function responderGone(): BusbarError {
  return new BusbarError('CLOSED', 'the responder closed or died before it responded', {
    outcome: 'unknown',
    hint: 'It may have handled the request. Repeat the request if that is safe, or use durable: true.',
  });
}
