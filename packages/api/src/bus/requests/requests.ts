/** Requests over calls, or durable ones over inboxes. Each has one outcome. */

import type { CallOptions } from '../../contract/call-options.ts';
import type { Calls } from '../../contract/calls.ts';
import { BusbarError, invalid, isBusbarError } from '../../contract/errors.ts';
import type { Message, MessageInput } from '../../contract/message.ts';
import { textOf } from '../../contract/thrown.ts';
import { checkOptions, describe } from '../../contract/validation.ts';
import type { Origin } from '../messages/causation.ts';
import { checkMessageType, type RequestDefinition } from '../messages/definitions.ts';
import { toBounds } from '../messages/message-options.ts';
import { checkRecipient, type Recipient } from '../messages/recipient.ts';
import { validate, validateSent } from '../messages/schema.ts';
import { addressOf } from '../registry/agent-names.ts';
import { type LeastLoadedSelector, tryInOrder } from '../registry/least-loaded.ts';
import { HINT_MS, type Registry } from '../registry/registry.ts';
import type { BusRuntime } from '../runtime.ts';
import { requestDurably } from './durable.ts';
import { checkRequestOptions, type ReplyStream, type RequestOptions } from './options.ts';
import { isPart, kindOf, readReply } from './replies.ts';
import { LiveReplyStream, type PartSink } from './reply-stream.ts';

/** A checked request. */
interface CheckedRequest {
  readonly type: string;
  readonly definition: RequestDefinition | undefined;
  readonly body: unknown;
  readonly options: RequestOptions;
  readonly onPart: PartSink | undefined;
}

/** The ways of requests: the second one reaches the servers that the first one does not. */
export type CallWays = readonly [Calls] | readonly [Calls, Calls];

/** A call that failed. */
interface FailedCall {
  readonly origin: Origin;
  readonly to: string;
  readonly input: MessageInput;
  readonly request: CheckedRequest;
  /** By `performance.now()`. */
  readonly startedAt: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const NO_OPTIONS: RequestOptions = Object.freeze({});
const NO_BOUNDS: CallOptions = Object.freeze({});

/** Sends requests. */
export class Requests {
  readonly #runtime: BusRuntime;
  readonly #registry: Registry;
  readonly #selector: LeastLoadedSelector;
  readonly #ways: CallWays;
  readonly #end = new AbortController();

  constructor(runtime: BusRuntime, registry: Registry, selector: LeastLoadedSelector, ways: CallWays) {
    this.#runtime = runtime;
    this.#registry = registry;
    this.#selector = selector;
    this.#ways = ways;
    runtime.shutdown.add('services', {
      close: async () => this.#end.abort(new BusbarError('CLOSED', 'the bus closes')),
    });
  }

  async request(
    origin: Origin,
    to: Recipient,
    type: string | RequestDefinition,
    body?: unknown,
    options?: RequestOptions,
    onPart?: PartSink,
  ): Promise<unknown> {
    try {
      this.#runtime.assertSending();
      checkRequestOptions(options);
      checkRecipient(to);
      const definition = typeof type === 'string' ? undefined : checkRequest(type);
      const name = definition?.type ?? type;
      checkMessageType(name);
      const { bodyCodec } = this.#runtime;
      const checked = validateSent(bodyCodec, definition?.schemas.request, body, `the body of ${name}`);
      if (checked !== undefined) await checked;
      const request = { type: name, definition, body, options: options ?? NO_OPTIONS, onPart };
      if (typeof to === 'string') return await this.#request(origin, to, request);
      const targets = await this.#selector.select(to.capability);
      return await tryInOrder(targets, isAbsent, (one) => this.#request(origin, one, request));
    } catch (error) {
      throw this.#runtime.withErrorContext(error, 'request');
    }
  }

  requestStream(
    origin: Origin,
    to: Recipient,
    type: string | RequestDefinition,
    body?: unknown,
    options?: RequestOptions,
  ): ReplyStream<unknown, unknown> {
    return new LiveReplyStream((onPart, leave) => {
      const signal = options?.signal === undefined ? leave : AbortSignal.any([leave, options.signal]);
      return this.request(origin, to, type, body, { ...options, signal }, onPart);
    });
  }

  #request(origin: Origin, to: string, request: CheckedRequest): Promise<unknown> {
    const { type, body, options } = request;
    // Calls are not deduplicated: a handler that runs again sends its request again.
    const draft = {
      kind: 'request',
      target: to,
      type,
      body,
      options: options === NO_OPTIONS ? undefined : toDraftOptions(options),
      fields: { to },
      isFresh: options.durable !== true,
    } as const;
    return this.#runtime.sendOut(origin, draft, (input) => this.#exchange(origin, to, input, request));
  }

  async #exchange(origin: Origin, to: string, input: MessageInput, request: CheckedRequest): Promise<unknown> {
    const { type, options, definition } = request;
    const startedAt = performance.now();
    let response: Message;
    try {
      const replies =
        options.durable === true
          ? this.#durably(origin, to, input, options)
          : this.#ways[0].call(addressOf(to), input, this.#bounds(origin, options));
      response = await this.#collect(replies, to, request);
    } catch (error) {
      response = await this.#overQueues(error, { origin, to, input, request, startedAt });
    }
    this.#runtime.timings.add(type, performance.now() - startedAt);
    const value = readReply(this.#runtime.bodyCodec, response, to);
    return definition?.schemas.response === undefined ? value : this.#checkResponse(await value, to, definition);
  }

  /** The response by the second way, if the first one led to no instance. Rejects with the explained error. */
  async #overQueues(error: unknown, { origin, to, input, request, startedAt }: FailedCall): Promise<Message> {
    const { options } = request;
    const [, overQueues] = this.#ways;
    const isRetried = overQueues !== undefined && options.durable !== true && isBusbarError(error) && isAbsent(error);
    if (!isRetried) throw await this.#explain(error, to);
    const bounds = this.#bounds(origin, options);
    const endsAt = startedAt + (bounds.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const left = { ...bounds, timeoutMs: Math.max(1, endsAt - performance.now()) };
    try {
      return await this.#collect(overQueues.call(addressOf(to), input, left), to, request);
    } catch (late) {
      throw await this.#explain(late, to);
    }
  }

  #durably(origin: Origin, to: string, input: MessageInput, options: RequestOptions): AsyncIterable<Message> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, ttlMs, id } = options;
    const { timeoutMs: _, ...bounds } = this.#bounds(origin, options);
    return requestDurably(this.#runtime, {
      requester: origin.from,
      responder: to,
      input,
      mayBeKnown: id !== undefined || origin.cause !== undefined,
      timeoutMs,
      ttlMs,
      bounds,
    });
  }

  /** Passes parts on. Resolves with the last reply. */
  async #collect(replies: AsyncIterable<Message>, to: string, request: CheckedRequest): Promise<Message> {
    for await (const reply of replies) {
      if (!isPart(reply)) return reply;
      await this.#passOn(reply, request);
    }
    throw new BusbarError('CLOSED', `${to} ended without a response`, { outcome: 'unknown' });
  }

  async #passOn(reply: Message, { onPart, definition }: CheckedRequest): Promise<void> {
    if (onPart === undefined) return;
    const value = await this.#runtime.bodyCodec.decode(reply);
    const schema = kindOf(reply) === 'part' ? definition?.schemas.part : undefined;
    await onPart(await validate(schema, value, `a part of the response to ${definition?.type}`));
  }

  async #checkResponse(value: unknown, to: string, { type, schemas }: RequestDefinition): Promise<unknown> {
    try {
      return await validate(schemas.response, value, `the response to ${type}`);
    } catch (cause) {
      const text = `${to} sent an invalid response: ${textOf(cause)}`;
      throw new BusbarError('HANDLER_FAILED', text, { cause, outcome: 'unknown' });
    }
  }

  /** Adds a hint to NO_RESPONDER and NOT_FOUND. */
  async #explain(error: unknown, to: string): Promise<unknown> {
    if (!isBusbarError(error) || (error.code !== 'NO_RESPONDER' && error.code !== 'NOT_FOUND')) return error;
    const { code, outcome } = error;
    const isThere = await this.#registry.isRegistered(to, { timeoutMs: HINT_MS }).catch(() => false);
    const nearest = isThere ? undefined : await this.#registry.nearest(to);
    const reason = code === 'NO_RESPONDER' ? `There is no agent ${to}.` : 'bus.agent(name) creates its inbox.';
    const missing = nearest === undefined ? `${reason} bus.agents() lists all agents.` : `Did you mean ${nearest}?`;
    const hint = isThere
      ? 'It is registered, but no instance is online. With durable: true the request waits in its inbox.'
      : missing;
    const text = code === 'NO_RESPONDER' ? `no instance of ${to} serves requests` : `unknown agent ${to}`;
    return new BusbarError(code, text, {
      hint,
      outcome,
      operation: 'request',
      transport: this.#runtime.transport.name,
      cause: error,
    });
  }

  #bounds({ work }: Origin, options: RequestOptions): CallOptions {
    const end = this.#runtime.settings.ownsTransport ? undefined : this.#end.signal;
    if (options === NO_OPTIONS && work === undefined && end === undefined) return NO_BOUNDS;
    const { signal, ...bounds } = toBounds(options);
    const [first, ...others] = [signal, work?.signal, end].filter((one) => one !== undefined);
    if (first === undefined) return bounds;
    return { ...bounds, signal: others.length === 0 ? first : AbortSignal.any([first, ...others]) };
  }
}

/** Trying the next is safe: NO_RESPONDER means that no instance got the request. */
function isAbsent({ code, outcome }: BusbarError): boolean {
  return code === 'NO_RESPONDER' && outcome === 'failed';
}

function checkRequest(definition: RequestDefinition): RequestDefinition {
  checkOptions(definition, ['kind', 'type', 'schemas'], 'request definition');
  if ((definition as RequestDefinition | undefined)?.kind === 'request') return definition;
  throw invalid(`illegal type: ${describe(definition)}`, 'Use a name or defineRequest.');
}

/** Without those that are no fields of a message. */
function toDraftOptions({ timeoutMs: _, ttlMs: __, durable: ___, ...options }: RequestOptions): Partial<MessageInput> {
  return options;
}
