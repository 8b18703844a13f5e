/** The serving side of emulated calls: takes requests from a queue, at most once, and sends replies back. */

import { BusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { Delivery, Message, MessageInput } from '../../contract/message.ts';
import type { CallHandler, ServeOptions, Service } from '../../contract/transport.ts';
import { LazyAbortController } from '../../driver-kit/lazy-abort.ts';
import { DEFAULT_RETRY } from '../consuming/backoff.ts';
import { Consumer } from '../consuming/consumer.ts';
import type { Heartbeats } from '../registry/heartbeats.ts';
import { isPart, toFailedReply } from '../requests/replies.ts';
import type { BusKernel } from '../runtime.ts';
import { TIDY_MS } from '../shutdown.ts';
import { within } from '../within.ts';
import { keyOf } from './directory.ts';
import { CALL_QUEUE, CREDIT, ID_HEADER, noteOf, SEQ_HEADER, type ServeRecord, seqOf, toNote } from './protocol.ts';
import type { CallBox } from './reply-inbox.ts';

/** A responder that takes longer than this says where it is, so that the asker can leave it or miss it. */
const BEGUN_MS = 200;
/** How late the end of an asker's time may be noticed. */
const TICK_MS = 50;
const MAX_SERVED = 16;

/** One request at work. */
interface Job {
  readonly request: Delivery;
  readonly work: LazyAbortController;
  readonly startedAt: number;
  /** When nobody waits for it any more. */
  readonly deadline: number;
  wasAnnounced: boolean;
  /** Replies sent so far. */
  sent: number;
  /** Parts that the asker has read. */
  read: number;
  wake: (() => void) | undefined;
}

/** The servers of one bus. */
export class CallServers {
  readonly #kernel: BusKernel;
  readonly #heartbeats: Heartbeats;
  readonly #box: CallBox;
  readonly #jobs = new Set<Job>();
  #ticker: ReturnType<typeof setInterval> | undefined;

  constructor(kernel: BusKernel, heartbeats: Heartbeats, box: CallBox) {
    this.#kernel = kernel;
    this.#heartbeats = heartbeats;
    this.#box = box;
  }

  /** Serves an address: its queue is there and askers see it when this resolves. */
  async serve(address: string, { max = MAX_SERVED }: ServeOptions, handler: CallHandler): Promise<Service> {
    await this.#kernel.transport.queues.configure(address, CALL_QUEUE);
    const record: { -readonly [K in keyof ServeRecord]: ServeRecord[K] } = { box: this.#box.queue };
    const consumer = new Consumer(this.#kernel, {
      queue: address,
      consumer: this.#kernel.instance,
      concurrency: max,
      retry: DEFAULT_RETRY,
      maxAttempts: 1,
      where: `calls ${address}`,
      ackFirst: true,
      handle: (delivery) => this.#answer(delivery, handler),
    });
    const key = keyOf(address, newId());
    const ttlMs = this.#kernel.settings.presenceTtlMs;
    const pulse = await this.#heartbeats.start({ key, ttlMs, value: () => JSON.stringify(record) });
    const end = async (): Promise<void> => {
      record.closing = true;
      await within(pulse.refresh(), TIDY_MS);
      await consumer.drain();
      await consumer.close({ drainMs: 0 });
      await pulse.stop().catch((error: unknown) => this.#kernel.report(error, 'call'));
    };
    let ended: Promise<void> | undefined;
    const close = (): Promise<void> => {
      ended ??= end();
      return ended;
    };
    return { close, [Symbol.asyncDispose]: close };
  }

  async #answer(request: Delivery, handler: CallHandler): Promise<void> {
    const job = this.#begin(request);
    const stop = this.#box.listen('server', request.id, (message) => this.#noted(job, message));
    try {
      for await (const reply of handler(toCalled(request), job.work.signal)) {
        if (!(await this.#reply(job, reply))) return;
        if (!isPart(reply)) return;
      }
    } catch (error) {
      await this.#reply(job, toFailedReply('failed', error)).catch(() => false);
    } finally {
      stop();
      this.#end(job);
    }
  }

  /** Sends a reply; a part waits for credit. False when nobody waits for it any more. */
  async #reply(job: Job, reply: MessageInput): Promise<boolean> {
    const { request, work } = job;
    if (isPart(reply)) {
      await this.#announce(job);
      while (job.sent - job.read >= CREDIT && !work.isAborted) await this.#credit(job);
    }
    if (work.isAborted || request.replyTo === undefined) return false;
    const message = {
      ...reply,
      headers: { ...reply.headers, [SEQ_HEADER]: String(job.sent) },
      correlationId: request.id,
      causationId: request.id,
      replyTo: this.#box.queue,
    };
    job.sent += 1;
    const isThere = await this.#box.send(request.replyTo, message);
    if (!isThere) work.abort(askerGone());
    return isThere;
  }

  async #credit(job: Job): Promise<void> {
    await new Promise<void>((resolve) => {
      job.wake = resolve;
    });
    job.wake = undefined;
  }

  /** Says where the asker can leave a note. */
  async #announce(job: Job): Promise<void> {
    const { request } = job;
    if (job.wasAnnounced || request.replyTo === undefined) return;
    job.wasAnnounced = true;
    await this.#box.open();
    this.#box.note(request.replyTo, { ...toNote('begun', request.id), replyTo: this.#box.queue });
  }

  #noted(job: Job, message: Delivery): void {
    const note = noteOf(message);
    if (note === 'credit') job.read = Math.max(job.read, seqOf(message));
    if (note === 'gone') job.work.abort(askerGone());
    job.wake?.();
  }

  #begin(request: Delivery): Job {
    const startedAt = performance.now();
    const deadline = startedAt + (request.ttlLeftMs ?? Number.POSITIVE_INFINITY);
    const work = new LazyAbortController();
    const job: Job = {
      request,
      work,
      startedAt,
      deadline,
      wasAnnounced: false,
      sent: 0,
      read: 0,
      wake: undefined,
    };
    this.#jobs.add(job);
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
    return job;
  }

  #end(job: Job): void {
    this.#jobs.delete(job);
    if (this.#jobs.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #tick(): void {
    const now = performance.now();
    for (const job of this.#jobs) {
      if (now >= job.deadline) {
        job.work.abort(new BusbarError('TIMEOUT', 'the time of the asker is up'));
        job.wake?.();
      } else if (now - job.startedAt >= BEGUN_MS && !job.wasAnnounced) {
        this.#announce(job).catch((error: unknown) => this.#kernel.report(error, 'call'));
      }
    }
  }
}

/** The request as the handler sees it: with the id that its asker gave. */
function toCalled(request: Delivery): Message {
  const id = request.headers[ID_HEADER];
  return id === undefined ? request : { ...request, id };
}

function askerGone(): BusbarError {
  return new BusbarError('ABORTED', 'the asker has gone');
}
