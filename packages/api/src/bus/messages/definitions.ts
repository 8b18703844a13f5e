/** Typed requests, messages, topics and queues: a name and the schemas of what goes through it. */

import { invalid } from '../../contract/errors.ts';
import { checkUserName } from '../../contract/names.ts';
import { checkOptions, checkText } from '../../contract/validation.ts';
import { checkSchema, type StandardSchema } from './schema.ts';

/** A type of request. The asker gives `RequestIn` and gets `ResponseOut`; the handler gets `RequestOut` and gives `ResponseIn`. */
export interface RequestDefinition<
  RequestIn,
  RequestOut,
  ResponseIn,
  ResponseOut,
  PartIn = unknown,
  PartOut = unknown,
> {
  readonly kind: 'request';
  readonly type: string;
  readonly request: StandardSchema<RequestIn, RequestOut> | undefined;
  readonly response: StandardSchema<ResponseIn, ResponseOut> | undefined;
  /** What the handler streams on the way: progress and partial results. */
  readonly part: StandardSchema<PartIn, PartOut> | undefined;
}

/** A type of message. */
export interface MessageDefinition<In, Out> {
  readonly kind: 'message';
  readonly type: string;
  readonly schema: StandardSchema<In, Out>;
}

/** A topic all of whose events are alike. */
export interface TopicDefinition<In, Out> {
  readonly kind: 'topic';
  readonly topic: string;
  readonly schema: StandardSchema<In, Out>;
}

/** A queue of tasks. */
export interface QueueDefinition<TaskIn, TaskOut, ResultIn = unknown, ResultOut = unknown> {
  readonly kind: 'queue';
  readonly queue: string;
  readonly task: StandardSchema<TaskIn, TaskOut> | undefined;
  readonly result: StandardSchema<ResultIn, ResultOut> | undefined;
}

/** The schemas of a request. Those left out let everything through. */
export interface RequestSchemas<RequestIn, RequestOut, ResponseIn, ResponseOut, PartIn, PartOut> {
  readonly request?: StandardSchema<RequestIn, RequestOut>;
  readonly response?: StandardSchema<ResponseIn, ResponseOut>;
  readonly part?: StandardSchema<PartIn, PartOut>;
}

/** The schemas of a queue. Those left out let everything through. */
export interface QueueSchemas<TaskIn, TaskOut, ResultIn, ResultOut> {
  readonly task?: StandardSchema<TaskIn, TaskOut>;
  readonly result?: StandardSchema<ResultIn, ResultOut>;
}

/** Defines a type of request: what is asked, what is answered, and (`part`) what is streamed on the way. */
export function defineRequest<
  RequestIn = unknown,
  RequestOut = RequestIn,
  ResponseIn = unknown,
  ResponseOut = ResponseIn,
  PartIn = unknown,
  PartOut = PartIn,
>(
  type: string,
  schemas: RequestSchemas<RequestIn, RequestOut, ResponseIn, ResponseOut, PartIn, PartOut> = {},
): RequestDefinition<RequestIn, RequestOut, ResponseIn, ResponseOut, PartIn, PartOut> {
  checkMessageType(type);
  checkOptions(schemas, ['request', 'response', 'part'], 'schemas');
  const { request, response, part } = schemas;
  checkSchema(request, 'request');
  checkSchema(response, 'response');
  checkSchema(part, 'part');
  return Object.freeze({ kind: 'request', type, request, response, part });
}

/** Defines a type of message. */
export function defineMessage<In, Out>(type: string, schema: StandardSchema<In, Out>): MessageDefinition<In, Out> {
  checkMessageType(type);
  checkSchema(schema ?? null, 'schema');
  return Object.freeze({ kind: 'message', type, schema });
}

/** Defines a topic. */
export function defineTopic<In, Out>(topic: string, schema: StandardSchema<In, Out>): TopicDefinition<In, Out> {
  checkUserName(topic, 'topic');
  checkSchema(schema ?? null, 'schema');
  return Object.freeze({ kind: 'topic', topic, schema });
}

/** Defines a queue of tasks: what a task is, and what comes out of it. */
export function defineQueue<TaskIn = unknown, TaskOut = TaskIn, ResultIn = unknown, ResultOut = ResultIn>(
  queue: string,
  schemas: QueueSchemas<TaskIn, TaskOut, ResultIn, ResultOut> = {},
): QueueDefinition<TaskIn, TaskOut, ResultIn, ResultOut> {
  checkUserName(queue, 'queue name');
  checkOptions(schemas, ['task', 'result'], 'schemas');
  const { task, result } = schemas;
  checkSchema(task, 'task');
  checkSchema(result, 'result');
  return Object.freeze({ kind: 'queue', queue, task, result });
}

/** Throws INVALID_ARGUMENT unless `type` may be the type of a message. */
export function checkMessageType(type: unknown): asserts type is string {
  if (type === undefined) throw invalid('a message needs a type', 'Name what it is, such as validate_token.');
  checkText(type, 'type', 255);
}
