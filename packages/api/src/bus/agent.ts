/** Agents: named processes with an inbox. */

import type { CallOptions } from '../contract/call-options.ts';
import { BusbarError } from '../contract/errors.ts';
import { newId } from '../contract/id.ts';
import { callListener } from '../contract/promises.ts';
import { checkDuration, checkInteger, checkOptions, MAX_DURATION_MS } from '../contract/validation.ts';
import { BoundedWait, withTimeout } from './bounded-wait.ts';
import type { Consumer } from './consuming/consumer.ts';
import type { Context, LogLevel } from './consuming/context.ts';
import { type AnyHandler, type HandleOptions, HandlerRegistry } from './consuming/handlers.ts';
import type { ReceivedMessage } from './consuming/received.ts';
import { Timings } from './histogram.ts';
import { consumeInbox } from './mail/inbox.ts';
import { type InboxMessage, toInboxMessage } from './mail/inbox-message.ts';
import type { BroadcastOptions, BroadcastResult, Mail } from './mail/mail.ts';
import type {
  InputAt,
  MessageDefinition,
  OutputAt,
  RequestDefinition,
  RequestSchemas,
} from './messages/definitions.ts';
import type { SchemaInput, SchemaOutput, StandardSchema } from './messages/schema.ts';
import { type Operations, OriginSender, type Sender } from './operations.ts';
import { type CloseOptions, checkClose, type DrainOptions, drainWithin } from './options.ts';
import { AgentLog } from './registry/agent-log.ts';
import { checkAgentName, inboxOf, presenceKey } from './registry/agent-names.ts';
import { type AgentOptions, type AgentSettings, checkAgentOptions } from './registry/agent-options.ts';
import type { Heartbeat, Heartbeats } from './registry/heartbeats.ts';
import type { Registry } from './registry/registry.ts';
import type { CallWays } from './requests/requests.ts';
import { Responder, type ResponderPlan } from './requests/responder.ts';
import type { BusRuntime } from './runtime.ts';
import type { BusPart } from './shutdown.ts';

/** `evicted`: after a pause the agent counted as offline; it goes online again. */
export type AgentState = 'online' | 'evicted' | 'closed';

/** The value of a request handler: the response, or a generator that streams parts and returns the response. */
export type HandlerResponse<R, P = unknown> =
  | R
  | Promise<R>
  | AsyncGenerator<P, R>
  | Generator<P, R>
  | AsyncIterable<P>;

/** How to take messages from an inbox. */
export interface ReceiveMailOptions {
  /** 1 to 1,000. Default 1. */
  readonly max?: number | undefined;
  /** How long to wait for a message: 0 (default) or more, Infinity for no limit. */
  readonly waitMs?: number | undefined;
  /** How long it may take beyond `waitMs`, while the server is away. Default 30,000, without `waitMs` 10,000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An agent: a name with an inbox. Instances of one name, in any process, share its messages and its requests. */
export interface Agent extends Sender, AsyncDisposable {
  readonly name: string;
  /** The id of this instance; other instances of the name have other ids. */
  readonly instance: string;
  readonly state: AgentState;
  /** How many handlers run now. */
  readonly load: number;

  /**
   * Handles messages and requests of one type; `*` takes every type without a handler. When the handler resolves, the
   * message is done, and a requester gets the value as its response. When it throws, a message is retried by the retry
   * policy or a RetryError, and then becomes a dead letter (at once for a RejectError); a requester gets HANDLER_FAILED. The inbox is read
   * from the end of this turn of the event loop on. Throws CONFLICT when the type has a handler.
   */
  handle<T = unknown>(
    type: string,
    handler: (message: ReceivedMessage<T>, context: Context) => unknown,
    options?: HandleOptions,
  ): this;
  handle<S extends StandardSchema>(
    type: MessageDefinition<S>,
    handler: (message: ReceivedMessage<SchemaOutput<S>>, context: Context) => unknown,
    options?: HandleOptions,
  ): this;
  handle<S extends RequestSchemas>(
    type: RequestDefinition<S>,
    handler: (
      message: ReceivedMessage<OutputAt<S, 'request'>>,
      context: Context,
    ) => HandlerResponse<InputAt<S, 'response'>, InputAt<S, 'part'>>,
    options?: HandleOptions,
  ): this;

  /** Sends a message to the inbox of every registered agent, or of every online agent with a capability, except its own. */
  broadcast(type: string, body?: unknown, options?: BroadcastOptions): Promise<BroadcastResult>;
  broadcast<S extends StandardSchema>(
    type: MessageDefinition<S>,
    body: SchemaInput<S>,
    options?: BroadcastOptions,
  ): Promise<BroadcastResult>;

  /**
   * Takes up to `max` messages from the inbox without a handler, as soon as one is present, or none after `waitMs`. Settle
   * each before its lease ends. A message that cannot be decoded becomes a dead letter and is left out.
   */
  receive<T = unknown>(options?: ReceiveMailOptions): Promise<InboxMessage<T>[]>;
  /** Writes a line to the agent's log; `bus.agentLogs(name)` returns the last 100. */
  log(text: string, level?: LogLevel): void;
  /**
   * Goes offline and takes no more messages; sending goes on. Resolves with true when all running handlers have ended, with
   * false after `timeoutMs`.
   */
  drain(options?: DrainOptions): Promise<boolean>;
  /** Goes offline and lets handlers finish. The inbox stays. Idempotent. Do not await it in a handler of this agent. */
  close(options?: CloseOptions): Promise<void>;
}

/** What agents of one bus share. */
export interface AgentDependencies {
  readonly registry: Registry;
  readonly heartbeats: Heartbeats;
  readonly mail: Mail;
  /** The ways of requests. */
  readonly calls: CallWays;
  readonly operations: Operations;
}

/** How long aborted handlers may take to send their last reply. */
const ABORT_MS = 100;

class AgentImpl extends OriginSender implements Agent, BusPart {
  readonly name: string;
  readonly instance: string = newId();
  readonly #runtime: BusRuntime;
  readonly #shared: AgentDependencies;
  readonly #settings: AgentSettings;
  readonly #plan: ResponderPlan;
  readonly #log: AgentLog;
  readonly #responder: Responder;
  readonly #since = Date.now();
  readonly #forget: (() => void)[] = [];
  #inbox: Promise<Consumer | undefined> | undefined;
  #consumer: Consumer | undefined;
  #heartbeat: Heartbeat | undefined;
  #state: AgentState = 'online';
  #closed: Promise<void> | undefined;

  constructor(runtime: BusRuntime, shared: AgentDependencies, name: string, settings: AgentSettings) {
    super(shared.operations, { from: name, cause: undefined });
    this.name = name;
    this.#runtime = runtime;
    this.#shared = shared;
    this.#settings = settings;
    this.#log = new AgentLog(runtime, name, this.instance);
    this.#plan = {
      agent: name,
      handlers: new HandlerRegistry(runtime, shared.operations),
      timings: new Timings(),
      log: (text, level) => this.#log.add(text, level),
    };
    this.#responder = new Responder(runtime, this.#plan);
    this.#forget.push(runtime.shutdown.add('consumers', this));
  }

  get state(): AgentState {
    return this.#state;
  }

  get load(): number {
    return this.#responder.running + (this.#consumer?.running ?? 0);
  }

  handle(type: string | RequestDefinition | MessageDefinition, handler: AnyHandler, options?: HandleOptions): this {
    this.#assertOpen();
    this.#assertRegistered();
    this.#plan.handlers.add(type, handler, options);
    this.#inbox ??= Promise.resolve().then(() => this.#consume());
    return this;
  }

  async broadcast(
    type: string | MessageDefinition,
    body?: unknown,
    options?: BroadcastOptions,
  ): Promise<BroadcastResult> {
    return this.#shared.mail.broadcast({ from: this.name, cause: undefined }, type, body, options);
  }

  async receive<T>(options: ReceiveMailOptions = {}): Promise<InboxMessage<T>[]> {
    this.#assertOpen();
    this.#assertRegistered();
    checkOptions(options, ['max', 'waitMs', 'timeoutMs', 'signal'], 'receive options');
    checkInteger(options.max, 'max', { min: 1, max: 1000 });
    checkDuration(options.waitMs, 'waitMs', { min: 0, max: MAX_DURATION_MS, infinity: true });
    const { transport, middleware } = this.#runtime;
    const consumer = this.#consumerName;
    const messages = await middleware.receive({ kind: 'message', agent: this.name }, async () => {
      const deliveries = await transport.queues.receive(inboxOf(this.name), { ...options, consumer });
      const all = deliveries.map((one) => toInboxMessage(this.#runtime, this.name, this.#settings.retry, one));
      return (await Promise.all(all)).filter((message) => message !== undefined);
    });
    return messages as InboxMessage<T>[];
  }

  log(text: string, level?: LogLevel): void {
    this.#assertOpen();
    this.#log.add(text, level);
  }

  drain(options?: DrainOptions): Promise<boolean> {
    return drainWithin(options, () => this.#drain());
  }

  close(options?: CloseOptions): Promise<void> {
    const drainMs = checkClose(options);
    this.#closed ??= this.#close(drainMs);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Creates the inbox, serves requests and goes online. Called once. */
  async register(): Promise<void> {
    const { register, presence, maxConcurrent } = this.#settings;
    if (register) {
      const declare = (bounds?: CallOptions): Promise<void> =>
        this.#shared.registry.register(this.name, this.#settings, bounds);
      this.#forget.push(this.#runtime.declarations.add({ kind: 'message', agent: this.name }, () => declare()));
      await declare(this.#settings.open);
    }
    this.#assertOpen();
    if (presence) {
      await this.#responder.serve(this.#shared.calls, maxConcurrent);
      this.#heartbeat = await this.#shared.heartbeats.start({
        key: presenceKey(this.name, this.instance),
        ttlMs: this.#settings.presenceTtlMs,
        value: () => this.#presence(),
        onEvicted: () => this.#evicted(),
      });
      if (this.#closed === undefined) this.#emit('online');
    }
    if (this.#closed !== undefined) await this.#withdraw();
    this.#assertOpen();
  }

  /** Ends what was opened after its bus had closed it. */
  async #withdraw(): Promise<void> {
    for (const forget of this.#forget) forget();
    await Promise.allSettled([this.#heartbeat?.stop(), this.#responder.drain()]);
  }

  get #consumerName(): string {
    return `${this.name}/${this.instance}`.slice(0, 255);
  }

  #consume(): Consumer | undefined {
    if (this.#state === 'closed') return undefined;
    const plan = { ...this.#plan, instance: this.instance, settings: this.#settings };
    this.#consumer = consumeInbox(this.#runtime, plan);
    return this.#consumer;
  }

  #presence(): string {
    const { pid, host } = this.#runtime.settings.identity;
    const { capabilities, maxConcurrent } = this.#settings;
    const { instance, load } = this;
    const requests = this.#plan.timings.toJSON();
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

  #emit(state: 'online' | 'evicted' | 'offline'): void {
    this.#runtime.events.emit('agent', { agent: this.name, instance: this.instance, state });
  }

  #evicted(): void {
    this.#state = 'evicted';
    this.#emit('evicted');
    const text = `${this.name} counted as offline: it sent no heartbeat for ${this.#settings.presenceTtlMs} ms, or was forgotten`;
    const hint = 'Other instances may have its messages. Do not block the event loop, or raise presenceTtlMs.';
    void this.#restore();
    this.#runtime.report(new BusbarError('LEASE_LOST', text, { hint }), { kind: 'presence', agent: this.name });
    const report = (error: unknown): void => this.#runtime.report(error, { kind: 'presence', agent: this.name });
    callListener(() => this.#settings.onEvicted?.(), report);
    if (this.#closed === undefined) this.#state = 'online';
  }

  /** Registers again what was forgotten while this instance is online. */
  async #restore(): Promise<void> {
    const { registry } = this.#shared;
    try {
      const isForgotten = this.#settings.register && !(await registry.isRegistered(this.name));
      if (isForgotten && this.#closed === undefined) await registry.register(this.name, this.#settings);
    } catch (error) {
      this.#runtime.report(error, { kind: 'message', agent: this.name });
    }
  }

  async #goOffline(): Promise<void> {
    const heartbeat = this.#heartbeat;
    this.#heartbeat = undefined;
    if (heartbeat !== undefined) this.#emit('offline');
    await heartbeat
      ?.stop()
      .catch((error: unknown) => this.#runtime.report(error, { kind: 'presence', agent: this.name }));
  }

  async #drain(): Promise<void> {
    await this.#goOffline();
    const consumer = await this.#inbox;
    await Promise.all([consumer?.drain(), this.#responder.drain()]);
  }

  async #close(drainMs: number): Promise<void> {
    this.#state = 'closed';
    for (const forget of this.#forget) forget();
    await this.#goOffline();
    const consumer = await this.#inbox;
    await Promise.all([consumer?.close({ drainMs }), this.#endRequests(drainMs)]);
    await this.#log.close();
  }

  async #endRequests(drainMs: number): Promise<void> {
    const drained = this.#responder.drain();
    if (await withTimeout(drained, drainMs)) return;
    this.#responder.abortAll();
    await withTimeout(drained, ABORT_MS);
  }

  #assertOpen(): void {
    this.#runtime.assertOpen();
    if (this.#state === 'closed')
      throw new BusbarError('CLOSED', `${this.name} is closed`, { hint: 'Open a new one.' });
  }

  #assertRegistered(): void {
    if (this.#settings.register) return;
    throw new BusbarError('UNSUPPORTED', `${this.name} can only send`, {
      hint: 'Open it without register: false.',
    });
  }
}

/** Opens an agent. When this resolves, its inbox exists and it is online. */
export async function openAgent(
  runtime: BusRuntime,
  shared: AgentDependencies,
  name: string,
  options: AgentOptions = {},
): Promise<Agent> {
  runtime.assertOpen();
  checkAgentName(name);
  const settings = checkAgentOptions(options, runtime.settings.presenceTtlMs);
  const agent = new AgentImpl(runtime, shared, name, settings);
  const { timeoutMs: waitMs = Number.POSITIVE_INFINITY, signal } = settings.open ?? {};
  const wait = new BoundedWait({ waitMs, signal, timeoutError: () => notOpened(name) });
  try {
    await wait.race(agent.register());
    return agent;
  } catch (error) {
    await agent.close({ drainMs: 0 }).catch(() => undefined);
    throw error;
  } finally {
    wait.end();
  }
}

function notOpened(name: string): BusbarError {
  return new BusbarError('TIMEOUT', `${name} was not opened in time`, {
    outcome: 'unknown',
    hint: 'See that the server runs, or raise open.timeoutMs. Opening it again is safe.',
  });
}
