/** The handler that a definition asks for. */

import type { HandlerResponse } from './agent.ts';
import type { Context } from './consuming/context.ts';
import type { ReceivedMessage } from './consuming/received.ts';
import type { EventHandler } from './events/subscriptions.ts';
import type {
  BodyOutput,
  InputAt,
  MessageDefinition,
  OutputAt,
  ProgressInput,
  QueueDefinition,
  RequestDefinition,
  ResultInput,
  TaskOutput,
  TopicDefinition,
} from './messages/definitions.ts';
import type { TaskHandler } from './tasks/worker.ts';

/** The type of the handler of a definition, for a handler that stands alone: `HandlerOf<typeof orders>`. */
export type HandlerOf<D extends QueueDefinition | RequestDefinition | MessageDefinition | TopicDefinition> =
  D extends QueueDefinition
    ? TaskHandler<TaskOutput<D>, ResultInput<D>, ProgressInput<D>>
    : D extends RequestDefinition<infer S>
      ? (
          request: ReceivedMessage<OutputAt<S, 'request'>>,
          context: Context,
        ) => HandlerResponse<InputAt<S, 'response'>, InputAt<S, 'part'>>
      : EventHandler<BodyOutput<D>>;
