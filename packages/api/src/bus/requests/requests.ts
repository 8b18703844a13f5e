/** Requests: one question, one outcome, over calls or through inboxes. */

import { BusbarError, invalid, isBusbarError } from '../../contract/errors.ts';
import type { Message, MessageInput } from '../../contract/message.ts';
import type { CallOptions, Calls } from '../../contract/transport.ts';
import { checkOptions, describe } from '../../contract/validation.ts';
import type { Origin } from '../messages/causation.ts';
import { checkMessageType, type RequestDefinition } from '../messages/definitions.ts';
import { toBounds } from '../messages/message-options.ts';
import { checkRecipient, type Recipient } from '../messages/recipient.ts';
import { validate } from '../messages/schema.ts';
import { addressOf } from '../registry/agent-names.ts';
import type { AgentChooser } from '../registry/least-loaded.ts';
import type { Registry } from '../registry/registry.ts';
import type { BusKernel } from '../runtime.ts';
import { askDurably } from './durable.ts';
import { checkRequestOptions, type ReplyStream, type RequestOptions } from './options.ts';
import { isPart, kindOf, readReply } from './replies.ts';
import { LiveReplyStream, type PartSink } from './reply-stream.ts';

/** A request, checked. */
interface Question {
  readonly type: string;
  readonly definition: RequestDefinition | undefined;
  readonly body: unknown;
  readonly options: RequestOptions;
  readonly onPart: PartSink | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** Asks in somebody's name. */
export class Requests {
  readonly #kernel: BusKernel;
  readonly #registry: Registry;
  readonly #chooser: AgentChooser;
  readonly #calls: Calls;
  readonly #end = new AbortController();

  constructor(kernel: BusKernel, registry: Registry, chooser: AgentChooser, calls: Calls) {
    this.#kernel = kernel;
    this.#registry = registry;
    this.#chooser = chooser;
    this.#calls = calls;
    kernel.lifetime.add('foundation', {
      close: async () => this.#end.abort(new BusbarError('CLOSED', 'the bus closes')),
    });
  }

  async request(
    origin: Origin,
    to: Recipient,
    type: string | RequestDefinition,
    body: unknown,
    options?: RequestOptions,
    onPart?: PartSink,
  ): Promise<unknown> {
    try {
      this.#kernel.assertSending();
      checkRequestOptions(options);
      checkRecipient(to);
      const definition = typeof type === 'string' ? undefined : checkRequest(type);
      const name = definition?.type ?? type;
      checkMessageType(name);
      const checked = validate(definition?.schemas.request, body, `the body of ${name}`);
      if (checked instanceof Promise) await checked;
      const question = { type: name, definition, body, options: options ?? {}, onPart };
      const targets = typeof to === 'string' ? [to] : await this.#chooser.choose(to.capability);
      return await this.#askFirst(origin, targets, question);
    } catch (error) {
      throw this.#kernel.locate(error, 'request');
    }
  }

  requestStream(
    origin: Origin,
    to: Recipient,
    type: string | RequestDefinition,
    body: unknown,
    options?: RequestOptions,
  ): ReplyStream<unknown, unknown> {
    return new LiveReplyStream((onPart, leave) => {
      const signal = options?.signal === undefined ? leave : AbortSignal.any([leave, options.signal]);
      return this.request(origin, to, type, body, { ...options, signal }, onPart);
    });
  }

  /** The first that is there. Trying the next is safe: NO_RESPONDER says that nobody got the request. */
  async #askFirst(origin: Origin, targets: readonly string[], question: Question): Promise<unknown> {
    const [first = '', ...others] = targets;
    try {
      return await this.#ask(origin, first, question);
    } catch (error) {
      const isAbsent = isBusbarError(error) && error.code === 'NO_RESPONDER' && error.outcome === 'failed';
      if (isAbsent && others.length > 0) return this.#askFirst(origin, others, question);
      throw error;
    }
  }

  #ask(origin: Origin, to: string, question: Question): Promise<unknown> {
    const { type, body, options } = question;
    const { timeoutMs: _, ttlMs: __, durable = false, ...rest } = options;
    // A call is never deduplicated, so a handler that runs again asks again.
    const draft = {
      kind: 'request',
      target: to,
      type,
      body,
      options: rest,
      fields: { to },
      isFresh: !durable,
    } as const;
    return this.#kernel.sendOut(origin, draft, async (input) => {
      const startedAt = performance.now();
      const replies = durable
        ? this.#durably(origin, to, input, options)
        : this.#calls.call(addressOf(to), input, this.#bounds(origin, options));
      const answer = await this.#collect(replies, to, question);
      this.#kernel.timings.add(type, performance.now() - startedAt);
      return this.#read(answer, to, question);
    });
  }

  #durably(origin: Origin, to: string, input: MessageInput, options: RequestOptions): AsyncIterable<Message> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, ttlMs, id } = options;
    const { timeoutMs: _, ...bounds } = this.#bounds(origin, options);
    return askDurably(this.#kernel, {
      asker: origin.from,
      responder: to,
      input,
      mayBeKnown: id !== undefined || origin.cause !== undefined,
      timeoutMs,
      ttlMs,
      bounds,
    });
  }

  /** Hands parts on. Resolves with the last reply. */
  async #collect(replies: AsyncIterable<Message>, to: string, question: Question): Promise<Message> {
    try {
      for await (const reply of replies) {
        if (!isPart(reply)) return reply;
        await this.#handOn(reply, question);
      }
    } catch (error) {
      throw await this.#explain(error, to);
    }
    throw new BusbarError('CLOSED', `${to} ended without an answer`, { outcome: 'unknown' });
  }

  async #handOn(reply: Message, { onPart, definition }: Question): Promise<void> {
    if (onPart === undefined) return;
    const value = this.#kernel.bodies.decode(reply);
    const schema = kindOf(reply) === 'part' ? definition?.schemas.part : undefined;
    await onPart(await validate(schema, value, `a part of the answer to ${definition?.type}`));
  }

  async #read(answer: Message, to: string, { definition }: Question): Promise<unknown> {
    const value = readReply(this.#kernel.bodies, answer, to);
    if (definition?.schemas.response === undefined) return value;
    try {
      return await validate(definition.schemas.response, value, `the answer to ${definition.type}`);
    } catch (cause) {
      const text = `${to} gave an answer that is not valid: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw new BusbarError('HANDLER_FAILED', text, { cause, outcome: 'unknown' });
    }
  }

  /** Says what to do where nobody is there. */
  async #explain(error: unknown, to: string): Promise<unknown> {
    if (!isBusbarError(error) || (error.code !== 'NO_RESPONDER' && error.code !== 'NOT_FOUND')) return error;
    const { code, outcome } = error;
    const isThere = await this.#registry.isRegistered(to).catch(() => false);
    const nearest = isThere ? undefined : await this.#registry.nearest(to);
    const unheard = code === 'NO_RESPONDER' ? `There is no agent ${to}.` : 'It has a mailbox once it was opened.';
    const missing = nearest === undefined ? `${unheard} bus.agents() lists who is there.` : `Did you mean ${nearest}?`;
    const hint = isThere
      ? 'It is registered, and no instance is online: durable: true leaves the request in its inbox.'
      : missing;
    const text = code === 'NO_RESPONDER' ? `nobody answers requests to ${to}` : `there is no agent ${to}`;
    return new BusbarError(code, text, {
      hint,
      outcome,
      operation: 'request',
      transport: this.#kernel.transport.name,
      cause: error,
    });
  }

  #bounds({ work }: Origin, options: RequestOptions): CallOptions {
    const { signal, ...bounds } = toBounds(options);
    const end = this.#kernel.settings.ownsTransport ? undefined : this.#end.signal;
    const [first, ...others] = [signal, work?.signal, end].filter((one) => one !== undefined);
    if (first === undefined) return bounds;
    return { ...bounds, signal: others.length === 0 ? first : AbortSignal.any([first, ...others]) };
  }
}

function checkRequest(definition: RequestDefinition): RequestDefinition {
  checkOptions(definition, ['kind', 'type', 'schemas'], 'request definition');
  if ((definition as RequestDefinition | undefined)?.kind === 'request') return definition;
  throw invalid(`illegal type: ${describe(definition)}`, 'Use a name or defineRequest.');
}
