/** The verbs that a bus, an agent and a handler's context share, each in its own name. */

import type { Origin } from './messages/causation.ts';
import type { MessageDefinition, QueueDefinition, RequestDefinition, TopicDefinition } from './messages/definitions.ts';
import type { EventOptions, MailOptions } from './messages/message-options.ts';
import type { AnyMessage, AnyQueue, AnyRequest, AnyTopic, Published, Recipient, Sent } from './operations.ts';
import type { ReplyStream, RequestOptions } from './requests/options.ts';
import type { BusKernel } from './runtime.ts';
import type { EnqueueOptions } from './tasks/enqueue-options.ts';
import type { TaskHandle } from './tasks/task-handle.ts';

/** Somebody who sends. What is sent without being awaited keeps its order. */
export abstract class Sender {
  readonly #kernel: BusKernel;
  readonly #origin: Origin;

  /** Made by the bus only. */
  constructor(kernel: BusKernel, origin: Origin) {
    this.#kernel = kernel;
    this.#origin = origin;
  }

  /**
   * Puts mail into the inbox of an agent, which need not be online. Rejects with NOT_FOUND where no agent has that name
   * (unless `hold`), NO_RESPONDER where none that is online has the capability, BACKPRESSURE where the inbox is full,
   * INVALID_ARGUMENT for a bad body.
   */
  send<In, Out>(to: Recipient, type: MessageDefinition<In, Out>, body: In, options?: MailOptions): Promise<Sent>;
  send(to: Recipient, type: string, body?: unknown, options?: MailOptions): Promise<Sent>;
  send(to: Recipient, type: string | AnyMessage, body?: unknown, options?: MailOptions): Promise<Sent> {
    return this.#kernel.verbs.send(this.#origin, to, type, body, options);
  }

  /** Publishes an event; nobody needs to listen. */
  publish<In, Out>(topic: TopicDefinition<In, Out>, body: In, options?: EventOptions): Promise<Published>;
  publish(topic: string, body?: unknown, options?: EventOptions): Promise<Published>;
  publish(topic: string | AnyTopic, body?: unknown, options?: EventOptions): Promise<Published> {
    return this.#kernel.verbs.publish(this.#origin, topic, body, options);
  }

  /** Puts a task into a queue, which comes to be by it. */
  enqueue<TaskIn, TaskOut, ResultIn, ResultOut>(
    queue: QueueDefinition<TaskIn, TaskOut, ResultIn, ResultOut>,
    body: TaskIn,
    options?: EnqueueOptions,
  ): Promise<TaskHandle<ResultOut>>;
  enqueue<T = unknown, R = unknown>(queue: string, body?: T, options?: EnqueueOptions): Promise<TaskHandle<R>>;
  enqueue(queue: string | AnyQueue, body?: unknown, options?: EnqueueOptions): Promise<TaskHandle<unknown>> {
    return this.#kernel.verbs.enqueue(this.#origin, queue, body, options);
  }

  /**
   * Asks an agent and waits for its answer; one outcome, at most once. Rejects with NO_RESPONDER at once where no live
   * instance is there, TIMEOUT where none answers in time, HANDLER_FAILED (the remote error in `cause`) where it failed,
   * INVALID_ARGUMENT where the body is not what its definition says.
   */
  request<RequestIn, RequestOut, ResponseIn, ResponseOut, PartIn, PartOut>(
    to: Recipient,
    type: RequestDefinition<RequestIn, RequestOut, ResponseIn, ResponseOut, PartIn, PartOut>,
    body: RequestIn,
    options?: RequestOptions,
  ): Promise<ResponseOut>;
  request<R = unknown>(to: Recipient, type: string, body?: unknown, options?: RequestOptions): Promise<R>;
  request(to: Recipient, type: string | AnyRequest, body?: unknown, options?: RequestOptions): Promise<unknown> {
    return this.#kernel.verbs.request(this.#origin, to, type, body, options);
  }

  /** Like {@link Sender.request}, with what the responder streams on the way. Leaving the loop early tells it to stop. */
  requestStream<RequestIn, RequestOut, ResponseIn, ResponseOut, PartIn, PartOut>(
    to: Recipient,
    type: RequestDefinition<RequestIn, RequestOut, ResponseIn, ResponseOut, PartIn, PartOut>,
    body: RequestIn,
    options?: RequestOptions,
  ): ReplyStream<PartOut, ResponseOut>;
  requestStream<P = unknown, R = unknown>(
    to: Recipient,
    type: string,
    body?: unknown,
    options?: RequestOptions,
  ): ReplyStream<P, R>;
  requestStream(
    to: Recipient,
    type: string | AnyRequest,
    body?: unknown,
    options?: RequestOptions,
  ): ReplyStream<unknown, unknown> {
    return this.#kernel.verbs.requestStream(this.#origin, to, type, body, options);
  }
}
