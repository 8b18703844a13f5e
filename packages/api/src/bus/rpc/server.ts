/** Serves calls over queues: takes requests at most once and sends replies. */

import type { CallHandler, ServeOptions, Service } from '../../contract/calls.ts';
import { BusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { Delivery, Message, MessageInput } from '../../contract/message.ts';
import { Condition } from '../../driver-kit/condition.ts';
import { LazyAbortController } from '../../driver-kit/lazy-abort.ts';
import { withTimeout } from '../bounded-wait.ts';
import { DEFAULT_RETRY } from '../consuming/backoff.ts';
import { Consumer } from '../consuming/consumer.ts';
import { agentOf } from '../registry/agent-names.ts';
import type { Heartbeats } from '../registry/heartbeats.ts';
import { isPart, toFailedReply } from '../requests/replies.ts';
import type { BusRuntime } from '../runtime.ts';
import { CLEANUP_MS } from '../shutdown.ts';
import { keyOf } from './directory.ts';
import {
  CALL_QUEUE,
  CREDIT,
  controlOf,
  ID_HEADER,
  SEQ_HEADER,
  type ServerRecord,
  seqOf,
  toControl,
} from './protocol.ts';
import type { ReplyInbox } from './reply-inbox.ts';

/** A request that takes longer is accepted explicitly, so the requester can cancel it or notice that the server is gone. */
const ACCEPT_MS = 200;
/** The interval of checks for expired requests. */
const TICK_MS = 50;
const MAX_SERVED = 16;

/** A running request. */
interface InflightRequest {
  readonly request: Delivery;
  readonly work: LazyAbortController;
  readonly startedAt: number;
  /** When the requester stops waiting. */
  readonly deadline: number;
  isAccepted: boolean;
  /** Replies sent so far. */
  sent: number;
  /** Parts that the requester has read. */
  read: number;
  /** Notified of credit and of the end. */
  readonly changed: Condition;
}

/** The servers of one bus. */
export class RpcServer {
  readonly #runtime: BusRuntime;
  readonly #heartbeats: Heartbeats;
  readonly #inbox: ReplyInbox;
  readonly #inflight = new Set<InflightRequest>();
  #ticker: ReturnType<typeof setInterval> | undefined;

  constructor(runtime: BusRuntime, heartbeats: Heartbeats, inbox: ReplyInbox) {
    this.#runtime = runtime;
    this.#heartbeats = heartbeats;
    this.#inbox = inbox;
  }

  /** Serves an address. When this resolves, its queue exists and requesters can see it. */
  async serve(address: string, { max = MAX_SERVED }: ServeOptions, handler: CallHandler): Promise<Service> {
    const declare = (): Promise<void> => this.#runtime.transport.queues.configure(address, CALL_QUEUE);
    const resetsBefore = this.#runtime.declarations.resets;
    await declare();
    const record: { -readonly [K in keyof ServerRecord]: ServerRecord[K] } = { inbox: this.#inbox.queue };
    const consumer = new Consumer(this.#runtime, {
      queue: address,
      consumer: this.#runtime.instance,
      concurrency: max,
      retry: DEFAULT_RETRY,
      maxAttempts: 1,
      place: { kind: 'request', agent: agentOf(address) },
      declare,
      resetsBefore,
      ackFirst: true,
      handle: (delivery) => this.#respond(delivery, handler),
    });
    const key = keyOf(address, newId());
    const ttlMs = this.#runtime.settings.presenceTtlMs;
    const heartbeat = await this.#heartbeats.start({ key, ttlMs, value: () => JSON.stringify(record) });
    const end = async (): Promise<void> => {
      record.closing = true;
      await withTimeout(heartbeat.refresh(), CLEANUP_MS);
      await consumer.drain();
      await consumer.close({ drainMs: 0 });
      await heartbeat.stop().catch((error: unknown) => this.#runtime.report(error, { kind: 'request' }));
    };
    let ended: Promise<void> | undefined;
    const close = (): Promise<void> => {
      ended ??= end();
      return ended;
    };
    return { close, [Symbol.asyncDispose]: close };
  }

  async #respond(request: Delivery, handler: CallHandler): Promise<void> {
    const inflight = this.#begin(request);
    const stop = this.#inbox.listen('server', request.id, (message) => this.#onControl(inflight, message));
    try {
      for await (const reply of handler(toRequest(request), inflight.work)) {
        if (!(await this.#reply(inflight, reply))) return;
        if (!isPart(reply)) return;
      }
    } catch (error) {
      await this.#reply(inflight, toFailedReply('failed', error)).catch(() => false);
    } finally {
      stop();
      this.#end(inflight);
    }
  }

  /** Sends a reply; a part waits for credit. Resolves with whether the requester still waits. */
  async #reply(inflight: InflightRequest, reply: MessageInput): Promise<boolean> {
    const { request, work } = inflight;
    if (isPart(reply)) {
      await this.#accept(inflight);
      while (inflight.sent - inflight.read >= CREDIT && !work.isAborted) await inflight.changed.wait();
    }
    if (work.isAborted || request.replyTo === undefined) return false;
    const message = {
      ...reply,
      headers: { ...reply.headers, [SEQ_HEADER]: String(inflight.sent) },
      correlationId: request.id,
      causationId: request.id,
      replyTo: this.#inbox.queue,
    };
    inflight.sent += 1;
    const isThere = await this.#inbox.send(request.replyTo, message);
    if (!isThere) work.abort(requesterLeft());
    return isThere;
  }

  /** Sends `accepted` with the inbox for control messages. */
  async #accept(inflight: InflightRequest): Promise<void> {
    const { request } = inflight;
    if (inflight.isAccepted || request.replyTo === undefined) return;
    inflight.isAccepted = true;
    await this.#inbox.open();
    this.#inbox.sendControl(request.replyTo, { ...toControl('accepted', request.id), replyTo: this.#inbox.queue });
  }

  #onControl(inflight: InflightRequest, message: Delivery): void {
    const control = controlOf(message);
    if (control === 'credit') inflight.read = Math.max(inflight.read, seqOf(message));
    if (control === 'cancel') inflight.work.abort(requesterLeft());
    inflight.changed.notify();
  }

  #begin(request: Delivery): InflightRequest {
    const startedAt = performance.now();
    const deadline = startedAt + (request.ttlLeftMs ?? Number.POSITIVE_INFINITY);
    const work = new LazyAbortController();
    const inflight: InflightRequest = {
      request,
      work,
      startedAt,
      deadline,
      isAccepted: false,
      sent: 0,
      read: 0,
      changed: new Condition(),
    };
    this.#inflight.add(inflight);
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
    return inflight;
  }

  #end(inflight: InflightRequest): void {
    this.#inflight.delete(inflight);
    if (this.#inflight.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #tick(): void {
    const now = performance.now();
    for (const inflight of this.#inflight) {
      if (now >= inflight.deadline) {
        inflight.work.abort(new BusbarError('TIMEOUT', 'the request has timed out'));
        inflight.changed.notify();
      } else if (now - inflight.startedAt >= ACCEPT_MS && !inflight.isAccepted) {
        this.#accept(inflight).catch((error: unknown) => this.#runtime.report(error, { kind: 'request' }));
      }
    }
  }
}

/** The request with the requester's id, for the handler. */
function toRequest(request: Delivery): Message {
  const id = request.headers[ID_HEADER];
  return id === undefined ? request : { ...request, id };
}

function requesterLeft(): BusbarError {
  return new BusbarError('ABORTED', 'the requester left');
}
