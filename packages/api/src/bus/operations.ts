/** The operations that a bus, an agent and a handler's context share, and how each runs them under its own name. */

import type { Flow } from './flows/flow-options.ts';
import type { Origin } from './messages/causation.ts';
import type {
  BodyInput,
  InputAt,
  MessageDefinition,
  OutputAt,
  ProgressOutput,
  QueueDefinition,
  RequestDefinition,
  RequestInput,
  RequestSchemas,
  ResponseOutput,
  ResultOutput,
  TaskInput,
  TopicDefinition,
} from './messages/definitions.ts';
import type { EventOptions, MailOptions } from './messages/message-options.ts';
import type { Recipient } from './messages/recipient.ts';
import type { ReplyStream, RequestOptions } from './requests/options.ts';
import type { EnqueueOptions } from './tasks/enqueue-options.ts';
import type { TaskHandle } from './tasks/task-handle.ts';

/** The result of a message that was sent to an agent. */
export interface Sent {
  readonly id: string;
  /** The agent whose inbox has it. */
  readonly to: string;
  /** `duplicate`: a message with this id was sent before; nothing was stored now. */
  readonly status: 'stored' | 'duplicate';
}

/** The result of an event that was published. */
export interface Published {
  readonly id: string;
  /** Its position in the log; undefined for an ephemeral event. */
  readonly position: string | undefined;
  readonly status: 'stored' | 'duplicate';
}

/**
 * Sends messages, events, tasks and requests. Calls that are not awaited keep their order. The last signature of each method
 * takes a name or a definition: TypeScript explains a mistake by it.
 */
export interface Sender {
  /**
   * Sends a message to the inbox of an agent, which may be offline. Rejects with:
   * - NOT_FOUND: no agent has that name (unless `createInbox`).
   * - NO_RESPONDER: no online agent has the capability.
   * - BACKPRESSURE: the inbox is full.
   * - INVALID_ARGUMENT: the body does not match its schema.
   */
  send(to: Recipient, type: string, body?: unknown, options?: MailOptions): Promise<Sent>;
  send<D extends string | MessageDefinition>(
    to: Recipient,
    type: D,
    body: BodyInput<D>,
    options?: MailOptions,
  ): Promise<Sent>;

  /** Publishes an event. It needs no subscriber. */
  publish(topic: string, body?: unknown, options?: EventOptions): Promise<Published>;
  publish<D extends string | TopicDefinition>(topic: D, body: BodyInput<D>, options?: EventOptions): Promise<Published>;

  /** Adds a task to a queue, which is created if needed. */
  enqueue<T = unknown, R = unknown>(queue: string, body?: T, options?: EnqueueOptions): Promise<TaskHandle<R>>;
  enqueue<Q extends string | QueueDefinition>(
    queue: Q,
    body: TaskInput<Q>,
    options?: EnqueueOptions,
  ): Promise<TaskHandle<ResultOutput<Q>, ProgressOutput<Q>>>;

  /**
   * Adds a task that waits for other tasks, its children, in any queues: it starts when they have ended, and its handler gets
   * their results by `context.children()`. Resolves with the handle of the parent when all are stored. A process that dies
   * after it stored the parent leaves a flow that goes on. In a handler, and with a `dedupeKey` of the parent, the call can be
   * repeated. Rejects with:
   * - INVALID_ARGUMENT: it has no child or more than 1,000, or a child does not match its schema.
   * - PAYLOAD_TOO_LARGE: the children have more than 16 MiB.
   * - UNSUPPORTED: the transport lacks the feature `cancel`.
   */
  flow<
    R = unknown,
    Q extends string | QueueDefinition = string | QueueDefinition,
    Children extends readonly (string | QueueDefinition)[] = readonly (string | QueueDefinition)[],
  >(flow: Flow<Q, Children>): Promise<TaskHandle<unknown extends R ? ResultOutput<Q> : R, ProgressOutput<Q>>>;

  /**
   * Sends a request to an agent and waits for its response. Rejects with:
   * - NO_RESPONDER, at once: no instance is online.
   * - TIMEOUT: no response arrived in time.
   * - HANDLER_FAILED: the handler failed; the remote error is the `cause`.
   * - INVALID_ARGUMENT: the body does not match its schema.
   */
  request<R = unknown>(to: Recipient, type: string, body?: unknown, options?: RequestOptions): Promise<R>;
  request<D extends string | RequestDefinition>(
    to: Recipient,
    type: D,
    body: RequestInput<D>,
    options?: RequestOptions,
  ): Promise<ResponseOutput<D>>;

  /** Like {@link Sender.request}, with the parts that the responder streams. Leaving the loop early cancels the request. */
  requestStream<P = unknown, R = unknown>(
    to: Recipient,
    type: string,
    body?: unknown,
    options?: RequestOptions,
  ): ReplyStream<P, R>;
  requestStream<S extends RequestSchemas>(
    to: Recipient,
    type: RequestDefinition<S>,
    body: InputAt<S, 'request'>,
    options?: RequestOptions,
  ): ReplyStream<OutputAt<S, 'part'>, OutputAt<S, 'response'>>;
}

/** The operations of a bus, each with the origin of the message before its arguments. They come from users, unchecked. */
export type Operations = {
  readonly [Name in keyof OriginSender]: (
    origin: Origin,
    ...args: Parameters<OriginSender[Name]>
  ) => ReturnType<OriginSender[Name]>;
};

/** Runs operations under one origin. {@link Sender} has the types that users see. */
export abstract class OriginSender implements Sender {
  readonly #operations: Operations;
  readonly #origin: Origin;

  constructor(operations: Operations, origin: Origin) {
    this.#operations = operations;
    this.#origin = origin;
  }

  send(to: Recipient, type: string | MessageDefinition, body?: unknown, options?: MailOptions): Promise<Sent> {
    return this.#operations.send(this.#origin, to, type, body, options);
  }

  publish(topic: string | TopicDefinition, body?: unknown, options?: EventOptions): Promise<Published> {
    return this.#operations.publish(this.#origin, topic, body, options);
  }

  enqueue(queue: string | QueueDefinition, body?: unknown, options?: EnqueueOptions): Promise<TaskHandle<never>> {
    return this.#operations.enqueue(this.#origin, queue, body, options);
  }

  flow(flow: Flow): Promise<TaskHandle<never, never>> {
    return this.#operations.flow(this.#origin, flow);
  }

  request(to: Recipient, type: string | RequestDefinition, body?: unknown, options?: RequestOptions): Promise<never> {
    return this.#operations.request(this.#origin, to, type, body, options);
  }

  requestStream(
    to: Recipient,
    type: string | RequestDefinition,
    body?: unknown,
    options?: RequestOptions,
  ): ReplyStream<never, never> {
    return this.#operations.requestStream(this.#origin, to, type, body, options);
  }
}
