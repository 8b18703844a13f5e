/** What can be done in somebody's name: the verbs of a bus as its parts carry them out, an origin in front. */

import type { Origin } from './messages/causation.ts';
import type { MessageDefinition, QueueDefinition, RequestDefinition, TopicDefinition } from './messages/definitions.ts';
import type { EventOptions, MailOptions } from './messages/message-options.ts';
import type { ReplyStream, RequestOptions } from './requests/options.ts';
import type { EnqueueOptions } from './tasks/enqueue-options.ts';
import type { TaskHandle } from './tasks/task-handle.ts';

/** Any definition of a request. */
export type AnyRequest = RequestDefinition<unknown, unknown, unknown, unknown, unknown, unknown>;
/** Any definition of a message. */
export type AnyMessage = MessageDefinition<unknown, unknown>;
/** Any definition of a topic. */
export type AnyTopic = TopicDefinition<unknown, unknown>;
/** Any definition of a queue. */
export type AnyQueue = QueueDefinition<unknown, unknown, unknown, unknown>;

/** Whom to send to: an agent by name, or the least loaded of those that are online and have a capability. */
export type Recipient = string | { readonly capability: string };

/** What became of mail. */
export interface Sent {
  readonly id: string;
  /** The agent it went to. */
  readonly to: string;
  /** `duplicate`: the id was sent before, and nothing was stored now. */
  readonly status: 'stored' | 'duplicate';
}

/** What became of an event. */
export interface Published {
  readonly id: string;
  /** Where it stands in the log; undefined for an ephemeral event. */
  readonly position: string | undefined;
  readonly status: 'stored' | 'duplicate';
}

/** The verbs. Each part carries out its own; arguments come from users, unchecked. */
export interface Verbs {
  send(origin: Origin, to: Recipient, type: string | AnyMessage, body: unknown, options?: MailOptions): Promise<Sent>;
  publish(origin: Origin, topic: string | AnyTopic, body: unknown, options?: EventOptions): Promise<Published>;
  enqueue(
    origin: Origin,
    queue: string | AnyQueue,
    body: unknown,
    options?: EnqueueOptions,
  ): Promise<TaskHandle<unknown>>;
  request(
    origin: Origin,
    to: Recipient,
    type: string | AnyRequest,
    body: unknown,
    options?: RequestOptions,
  ): Promise<unknown>;
  requestStream(
    origin: Origin,
    to: Recipient,
    type: string | AnyRequest,
    body: unknown,
    options?: RequestOptions,
  ): ReplyStream<unknown, unknown>;
}
