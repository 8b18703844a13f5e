/** An agent: a name that others can send to and ask, with a mailbox that waits for it. */

import { BusbarError } from '../contract/errors.ts';
import { newId } from '../contract/id.ts';
import type { ReceiveOptions } from '../contract/transport.ts';
import { checkDuration, checkInteger, checkOptions, MAX_DURATION_MS, MAX_TIMER_MS } from '../contract/validation.ts';
import type { Consumer } from './consuming/consumer.ts';
import type { Context, LogLevel } from './consuming/context.ts';
import { type AnyHandler, Handlers } from './consuming/handlers.ts';
import type { Received } from './consuming/received.ts';
import { Timings } from './histogram.ts';
import { consumeInbox } from './mail/inbox.ts';
import { type InboxMessage, toInboxMessage } from './mail/inbox-message.ts';
import type { BroadcastOptions, BroadcastResult } from './mail/mail.ts';
import type { MessageDefinition, RequestDefinition } from './messages/definitions.ts';
import type { AnyMessage, AnyRequest } from './operations.ts';
import type { AgentParts } from './parts.ts';
import { AgentLog } from './registry/agent-log.ts';
import { checkAgentName, inboxOf, presenceKey } from './registry/agent-names.ts';
import { type AgentOptions, type AgentSettings, checkAgentOptions } from './registry/agent-options.ts';
import type { Pulse } from './registry/heartbeats.ts';
import { Responder } from './requests/responder.ts';
import type { BusKernel } from './runtime.ts';
import { Sender } from './sender.ts';
import type { Part } from './shutdown.ts';
import { within } from './within.ts';

/** `evicted`: it counted as offline after a pause, and is about to be online again. */
export type AgentState = 'online' | 'evicted' | 'closed';

/** How to end an agent. */
export interface CloseAgentOptions {
  /** How long handlers that run may go on, 0 to 2^31-1. Then their signal fires and their mail is given back. Default 5,000. */
  readonly drainMs?: number;
}

/** What a handler of a request gives: the answer, or a generator that streams parts and returns the answer. */
export type Answer<R, P = unknown> = R | Promise<R> | AsyncGenerator<P, R> | AsyncIterable<P>;

const DEFAULT_DRAIN_MS = 5000;
/** How long handlers that were given up may take to tell the asker so. */
const GIVE_UP_MS = 100;

/** An agent. Several instances of one name, in any process, share its mail and its requests. */
export class Agent extends Sender implements Part, AsyncDisposable {
  readonly name: string;
  /** Tells this instance from others of the name. */
  readonly instance: string = newId();
  readonly #kernel: BusKernel;
  readonly #parts: AgentParts;
  readonly #settings: AgentSettings;
  readonly #handlers: Handlers;
  readonly #timings = new Timings();
  readonly #log: AgentLog;
  readonly #responder: Responder;
  readonly #since = Date.now();
  readonly #forget: () => void;
  #inbox: Promise<Consumer | undefined> | undefined;
  #consumer: Consumer | undefined;
  #pulse: Pulse | undefined;
  #state: AgentState = 'online';
  #closed: Promise<void> | undefined;

  /** Use {@link Bus.agent}. */
  constructor(kernel: BusKernel, parts: AgentParts, name: string, settings: AgentSettings) {
    super(kernel, { from: name, cause: undefined });
    this.name = name;
    this.#kernel = kernel;
    this.#parts = parts;
    this.#settings = settings;
    this.#handlers = new Handlers(kernel);
    this.#log = new AgentLog(kernel, name, this.instance);
    this.#responder = new Responder(kernel, {
      agent: name,
      handlers: this.#handlers,
      timings: this.#timings,
      log: (text, level) => this.#log.add(text, level),
    });
    this.#forget = kernel.lifetime.add('intake', this);
  }

  get state(): AgentState {
    return this.#state;
  }

  /** How many handlers run now. */
  get load(): number {
    return this.#responder.running + (this.#consumer?.running ?? 0);
  }

  /**
   * Handles mail and requests of one type; `*` takes what no other handler does. Resolved: done, and for a request the
   * answer. Rejected: mail is tried again by the retry policy, then a dead letter (at once for a `RejectError`); an asker
   * gets HANDLER_FAILED. Mail is taken from the end of this turn on. Throws CONFLICT where the type has a handler.
   */
  handle<RequestIn, RequestOut, ResponseIn, ResponseOut, PartIn, PartOut>(
    type: RequestDefinition<RequestIn, RequestOut, ResponseIn, ResponseOut, PartIn, PartOut>,
    handler: (message: Received<RequestOut>, context: Context) => Answer<ResponseIn, PartIn>,
  ): this;
  handle<In, Out>(
    type: MessageDefinition<In, Out>,
    handler: (message: Received<Out>, context: Context) => unknown,
  ): this;
  handle<T = unknown>(type: string, handler: (message: Received<T>, context: Context) => unknown): this;
  handle(type: string | AnyRequest | AnyMessage, handler: AnyHandler): this {
    this.#assertOpen();
    this.#assertRegistered();
    this.#handlers.add(type, handler);
    this.#inbox ??= Promise.resolve().then(() => this.#consume());
    return this;
  }

  /** Puts mail into the inbox of every agent that is registered, or is online and has a capability; not into its own. */
  broadcast<In, Out>(type: MessageDefinition<In, Out>, body: In, options?: BroadcastOptions): Promise<BroadcastResult>;
  broadcast(type: string, body?: unknown, options?: BroadcastOptions): Promise<BroadcastResult>;
  async broadcast(type: string | AnyMessage, body?: unknown, options?: BroadcastOptions): Promise<BroadcastResult> {
    return this.#parts.mail.broadcast({ from: this.name, cause: undefined }, type, body, options);
  }

  /**
   * Takes mail by hand: up to `max` messages as soon as one is there, none after `waitMs` (default 0). Each is to be
   * settled before its lease ends. Bad mail becomes a dead letter and is left out.
   */
  async receive<T = unknown>(options: Omit<ReceiveOptions, 'consumer'> = {}): Promise<InboxMessage<T>[]> {
    this.#assertOpen();
    this.#assertRegistered();
    checkOptions(options, ['max', 'waitMs', 'signal'], 'receive options');
    checkInteger(options.max, 'max', { min: 1, max: 1000 });
    checkDuration(options.waitMs, 'waitMs', { min: 0, max: MAX_DURATION_MS, infinity: true });
    const consumer = this.#consumerName;
    const deliveries = await this.#kernel.transport.queues.receive(inboxOf(this.name), { ...options, consumer });
    const messages = deliveries.map((one) => toInboxMessage(this.#kernel, this.name, this.#settings.retry, one));
    return (await Promise.all(messages)).filter((message) => message !== undefined) as InboxMessage<T>[];
  }

  /** Writes a line to the log of the agent; `bus.logs(name)` has the last 100. */
  log(text: string, level?: LogLevel): void {
    this.#assertOpen();
    this.#log.add(text, level);
  }

  /** Goes offline and takes nothing new; resolves when what is handled is over. Sending goes on. */
  async drain(): Promise<void> {
    await this.#goOffline();
    const consumer = await this.#inbox;
    await Promise.all([consumer?.drain(), this.#responder.drain()]);
  }

  /** Ends it: it goes offline, handlers finish. Its mailbox stays. Idempotent. Not to be awaited inside of its own handlers. */
  close(options?: CloseAgentOptions): Promise<void> {
    checkOptions(options, ['drainMs'], 'close options');
    checkDuration(options?.drainMs, 'drainMs', { min: 0, max: MAX_TIMER_MS });
    this.#closed ??= this.#close(options?.drainMs ?? DEFAULT_DRAIN_MS);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Called once, by the bus: creates the mailbox, answers requests, goes online. */
  async register(): Promise<void> {
    const { register, presence, maxConcurrent } = this.#settings;
    if (register) await this.#parts.registry.register(this.name, this.#settings);
    if (!presence) return;
    await this.#responder.serve(this.#parts.calls, maxConcurrent);
    this.#pulse = await this.#parts.heartbeats.start({
      key: presenceKey(this.name, this.instance),
      ttlMs: this.#settings.ttlMs,
      value: () => this.#presence(),
      onEvicted: () => this.#evicted(),
    });
  }

  get #consumerName(): string {
    return `${this.name}/${this.instance}`.slice(0, 255);
  }

  async #consume(): Promise<Consumer | undefined> {
    if (this.#state === 'closed') return undefined;
    try {
      this.#consumer = await consumeInbox(this.#kernel, {
        agent: this.name,
        instance: this.instance,
        settings: this.#settings,
        handlers: this.#handlers,
        timings: this.#timings,
        log: (text, level) => this.#log.add(text, level),
      });
      return this.#consumer;
    } catch (error) {
      this.#kernel.report(error, `inbox ${this.name}`);
      return undefined;
    }
  }

  #presence(): string {
    const { pid, host } = this.#kernel.settings.identity;
    const { capabilities, maxConcurrent } = this.#settings;
    const { instance, load } = this;
    const requests = this.#timings.toJSON();
    return JSON.stringify({
      instance,
      pid,
      host,
      capabilities,
      load,
      limit: maxConcurrent,
      since: this.#since,
      requests,
    });
  }

  #evicted(): void {
    this.#state = 'evicted';
    const text = `${this.name} counted as offline for a while: it gave no sign of life for ${this.#settings.ttlMs} ms`;
    const hint = 'Work of it may have gone to others. Do not block the event loop, or raise ttlMs.';
    this.#kernel.report(new BusbarError('LEASE_LOST', text, { hint }), `presence ${this.name}`);
    try {
      this.#settings.onEvicted?.();
    } catch (error) {
      this.#kernel.report(error, `presence ${this.name}`);
    }
    if (this.#closed === undefined) this.#state = 'online';
  }

  async #goOffline(): Promise<void> {
    const pulse = this.#pulse;
    this.#pulse = undefined;
    await pulse?.stop().catch((error: unknown) => this.#kernel.report(error, `presence ${this.name}`));
  }

  async #close(drainMs: number): Promise<void> {
    this.#state = 'closed';
    this.#forget();
    await this.#goOffline();
    const consumer = await this.#inbox;
    await Promise.all([consumer?.close({ drainMs }), this.#endRequests(drainMs)]);
    await this.#log.close();
  }

  async #endRequests(drainMs: number): Promise<void> {
    const drained = this.#responder.drain();
    if (await within(drained, drainMs)) return;
    this.#responder.giveUp();
    await within(drained, GIVE_UP_MS);
  }

  #assertOpen(): void {
    this.#kernel.assertOpen();
    if (this.#state === 'closed') throw new BusbarError('CLOSED', `${this.name} is closed`, { hint: 'Open it anew.' });
  }

  #assertRegistered(): void {
    if (this.#settings.register) return;
    throw new BusbarError('UNSUPPORTED', `${this.name} is only a name to send in`, {
      hint: 'Open it without register: false.',
    });
  }
}

/** Opens an agent: its mailbox is there and it is online when this resolves. */
export async function openAgent(
  kernel: BusKernel,
  parts: AgentParts,
  name: string,
  options: AgentOptions = {},
): Promise<Agent> {
  kernel.assertOpen();
  checkAgentName(name);
  const agent = new Agent(kernel, parts, name, checkAgentOptions(options, kernel.settings.presenceTtlMs));
  try {
    await agent.register();
    return agent;
  } catch (error) {
    await agent.close({ drainMs: 0 }).catch(() => undefined);
    throw error;
  }
}
