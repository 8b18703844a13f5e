/** Serves the requests of an agent that arrive over calls. */

import type { Calls, IncomingCall, Replies, Service } from '../../contract/calls.ts';
import { BusbarError, isBusbarError } from '../../contract/errors.ts';
import type { Message, MessageInput } from '../../contract/message.ts';
import { isA } from '../../contract/thrown.ts';
import { ChurnSet } from '../../driver-kit/churn.ts';
import { isAborted, LazyAbortController, whenAborted } from '../../driver-kit/lazy-abort.ts';
import { Limiter } from '../../driver-kit/limiter.ts';
import type { LogLevel } from '../consuming/context.ts';
import { InvalidMessageError, reasonOf as reasonOfFailure } from '../consuming/failure.ts';
import { type HandlerRegistry, refusalOf } from '../consuming/handlers.ts';
import type { Timings } from '../histogram.ts';
import { Causation } from '../messages/causation.ts';
import { later } from '../messages/later.ts';
import { Handling } from '../observing/handling.ts';
import type { MessageSource } from '../observing/message-source.ts';
import { addressOf } from '../registry/agent-names.ts';
import type { BusRuntime } from '../runtime.ts';
import { RendezvousChannel } from './rendezvous-channel.ts';
import { toFailedReply, toReply, toResponse } from './replies.ts';

/** Shared: a signal fires at the end of each request, and an error with its stack costs a third of a request. */
const LEFT = new BusbarError('ABORTED', 'the requester left');

/** A request of this type is answered here, without a handler. `busbar ping` measures how long that takes. */
const PING = '$ping';

/** What a responder works with. */
export interface ResponderPlan {
  readonly agent: string;
  readonly handlers: HandlerRegistry;
  readonly timings: Timings;
  readonly log: (text: string, level: LogLevel) => void;
}

/** Serves calls with the handlers of an agent. */
export class Responder {
  readonly #runtime: BusRuntime;
  readonly #plan: ResponderPlan;
  readonly #source: MessageSource;
  readonly #handling: Handling;
  readonly #running = new ChurnSet<LazyAbortController>();
  #services: readonly Service[] = [];
  /** Shared by the ways of requests; each has a limit of its own. */
  #turns: Limiter | undefined;

  constructor(runtime: BusRuntime, plan: ResponderPlan) {
    this.#runtime = runtime;
    this.#plan = plan;
    this.#source = { kind: 'request', agent: plan.agent };
    this.#handling = new Handling(runtime.events, this.#source);
  }

  get running(): number {
    return this.#running.size;
  }

  /** Resolves when it serves requests, up to `max` at a time. Only the last way is one that every requester can go. */
  async serve(ways: readonly Calls[], max: number): Promise<void> {
    const address = addressOf(this.#plan.agent);
    if (ways.length > 1) this.#turns = new Limiter(max);
    const serving = ways.map((calls) => calls.serve(address, { max }, (...args) => this.#respond(...args)));
    const results = await Promise.allSettled(serving);
    this.#services = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const [last, ...others] = results.toReversed();
    for (const { reason } of others.filter(isRejected))
      this.#runtime.report(reason, { kind: 'request', agent: this.#plan.agent });
    if (last === undefined || !isRejected(last)) return;
    // A client of a hub that is limited to one agent has no queue of requests.
    if (this.#services.length > 0 && isBusbarError(last.reason) && last.reason.code === 'PERMISSION_DENIED') return;
    await this.drain();
    throw last.reason;
  }

  /** Takes no more requests. Resolves when running ones have ended. */
  async drain(): Promise<void> {
    await Promise.all(this.#services.map((service) => service.close()));
  }

  /** Fires the signals of running handlers. */
  abortAll(): void {
    const reason = new BusbarError('CLOSED', 'the agent closes');
    for (const work of this.#running) work.abort(reason);
  }

  #respond(message: Message, call: IncomingCall): Replies {
    if (message.type === PING) return this.#pong();
    const channel = new RendezvousChannel<MessageInput>();
    if (this.#turns === undefined || this.#turns.tryAcquire()) void this.#serve(message, call, channel);
    else void this.#wait(this.#turns, message, call, channel);
    return channel;
  }

  async #wait(
    turns: Limiter,
    message: Message,
    call: IncomingCall,
    channel: RendezvousChannel<MessageInput>,
  ): Promise<void> {
    try {
      await turns.acquire(call.signal);
    } catch {
      // The requester left while its request waited.
      channel.end(toFailedReply('refused', LEFT));
      return;
    }
    await this.#serve(message, call, channel);
  }

  /** Serves a request that has its turn. */
  async #serve(message: Message, call: IncomingCall, channel: RendezvousChannel<MessageInput>): Promise<void> {
    const last = await this.#run(message, call, channel);
    this.#turns?.release();
    channel.end(last);
  }

  async *#pong(): AsyncGenerator<MessageInput> {
    yield await toResponse(this.#runtime.bodyCodec, 'pong');
  }

  async #stream(channel: RendezvousChannel<MessageInput>, kind: 'part' | 'progress', value: unknown): Promise<void> {
    return later(toReply(this.#runtime.bodyCodec, kind, value), (reply) => channel.send(reply));
  }

  /** Runs the handler. Resolves with the last reply; never rejects. */
  async #run(message: Message, call: IncomingCall, channel: RendezvousChannel<MessageInput>): Promise<MessageInput> {
    const { agent, handlers, timings, log } = this.#plan;
    const { bodyCodec } = this.#runtime;
    const work = new LazyAbortController();
    const leave = (): void => work.abort(reasonOf(call.signal.reason));
    if (isAborted(call)) leave();
    else whenAborted(call, leave);
    this.#running.add(work);
    const startedAt = performance.now();
    this.#handling.started(message);
    try {
      const origin = { from: agent, cause: new Causation(message) };
      const result = await handlers.run(message, origin, {
        attempt: 1,
        source: this.#source,
        signalOf: work,
        log,
        reply: (value) => this.#stream(channel, 'part', value),
        progress: (value) => this.#stream(channel, 'progress', value),
      });
      const encoded = toResponse(bodyCodec, result);
      const response = encoded instanceof Promise ? await encoded : encoded;
      this.#handling.ended('done', message, startedAt, {});
      return response;
    } catch (error) {
      this.#handling.ended('failed', message, startedAt, { reason: reasonOfFailure(error), next: 'none' });
      const refusal = refusalOf(error);
      const isUnhandled = isA(error, InvalidMessageError) || !handlers.has(message.type);
      if (!isUnhandled) {
        const { id, type = '' } = message;
        this.#runtime.report(refusal ?? error, { kind: 'request', agent, type, id, attempt: 1 });
      }
      return toFailedReply(isUnhandled || refusal !== undefined ? 'refused' : 'failed', refusal ?? error);
    } finally {
      this.#running.delete(work);
      timings.add(message.type ?? '', performance.now() - startedAt);
    }
  }
}

function isRejected(result: PromiseSettledResult<unknown>): result is PromiseRejectedResult {
  return result.status === 'rejected';
}

/**
 * Why the response is no longer needed, in the same words for every backend. A requester whose time is over leaves, too, and
 * backends differ in which of the two they notice first.
 */
function reasonOf(reason: unknown): BusbarError {
  const isClosed = isBusbarError(reason) && reason.code === 'CLOSED';
  return isClosed ? reason : LEFT;
}
