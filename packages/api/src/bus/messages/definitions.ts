/** Typed messages, requests, topics and queues: a name and the schemas of its bodies. */

import { invalid } from '../../contract/errors.ts';
import { checkUserName } from '../../contract/names.ts';
import { checkOptions, checkText } from '../../contract/validation.ts';
import { checkTaskQueueSettings, type TaskQueueSettings } from '../tasks/queue-settings.ts';
import { checkSchema, type SchemaInput, type SchemaOutput, type StandardSchema } from './schema.ts';

/** The schemas of a request. A schema that is left out accepts every value. */
export interface RequestSchemas {
  readonly request?: StandardSchema | undefined;
  readonly response?: StandardSchema | undefined;
  /** Each part that the handler streams before its response. */
  readonly part?: StandardSchema | undefined;
}

/** The schemas of a queue. A schema that is left out accepts every value. */
export interface QueueSchemas {
  readonly task?: StandardSchema | undefined;
  readonly result?: StandardSchema | undefined;
  /** Each value that the handler reports while it runs. */
  readonly progress?: StandardSchema | undefined;
}

/** A type of request. The requester gives inputs of the schemas, the handler gets their outputs; for responses the reverse. */
export interface RequestDefinition<S extends RequestSchemas = RequestSchemas> {
  readonly kind: 'request';
  readonly type: string;
  readonly schemas: S;
}

/** A type of message. */
export interface MessageDefinition<S extends StandardSchema = StandardSchema> {
  readonly kind: 'message';
  readonly type: string;
  readonly schema: S;
}

/** A topic whose events all have one schema. */
export interface TopicDefinition<S extends StandardSchema = StandardSchema> {
  readonly kind: 'topic';
  readonly topic: string;
  readonly schema: S;
}

/** A queue of tasks. */
export interface QueueDefinition<S extends QueueSchemas = QueueSchemas> {
  readonly kind: 'queue';
  readonly queue: string;
  readonly schemas: S;
  /** A bus sets them before it first adds, schedules, takes or processes tasks of this definition. Other settings stay as they are. */
  readonly settings?: TaskQueueSettings | undefined;
}

type SchemaAt<S, K extends string> = S extends { readonly [P in K]?: infer T } ? T : undefined;
/** What a sender gives for the schema `K` of `S`; `unknown` without one. */
export type InputAt<S, K extends string> = SchemaInput<SchemaAt<S, K>>;
/** What a receiver gets for the schema `K` of `S`; `unknown` without one. */
export type OutputAt<S, K extends string> = SchemaOutput<SchemaAt<S, K>>;

/** What a sender of tasks gives; `unknown` for a name. */
export type TaskInput<Q> = Q extends QueueDefinition<infer S> ? InputAt<S, 'task'> : unknown;
/** What the handler of a task gets; `unknown` for a name. */
export type TaskOutput<Q> = Q extends QueueDefinition<infer S> ? OutputAt<S, 'task'> : unknown;
/** What the handler of a task returns; `unknown` for a name. */
export type ResultInput<Q> = Q extends QueueDefinition<infer S> ? InputAt<S, 'result'> : unknown;
/** What the handler of a task reports while it runs; `unknown` for a name. */
export type ProgressInput<Q> = Q extends QueueDefinition<infer S> ? InputAt<S, 'progress'> : unknown;
/** The result of a task; `unknown` for a name. */
export type ResultOutput<Q> = Q extends QueueDefinition<infer S> ? OutputAt<S, 'result'> : unknown;
/** The progress of a task; `unknown` for a name. */
export type ProgressOutput<Q> = Q extends QueueDefinition<infer S> ? OutputAt<S, 'progress'> : unknown;
/** What a requester gives; `unknown` for a name. */
export type RequestInput<D> = D extends RequestDefinition<infer S> ? InputAt<S, 'request'> : unknown;
/** What a requester gets; `unknown` for a name. */
export type ResponseOutput<D> = D extends RequestDefinition<infer S> ? OutputAt<S, 'response'> : unknown;
/** What a sender of messages or events gives; `unknown` for a name. */
export type BodyInput<D> = D extends { readonly schema: infer S } ? SchemaInput<S> : unknown;
/** What a handler of messages or events gets; `unknown` for a name. */
export type BodyOutput<D> = D extends { readonly schema: infer S } ? SchemaOutput<S> : unknown;

/** What a sender gives for a definition: the task, the request, or the body. */
export type InputOf<D> = D extends QueueDefinition
  ? TaskInput<D>
  : D extends RequestDefinition
    ? RequestInput<D>
    : BodyInput<D>;
/** What a handler gets for a definition: the task, the request, or the body. */
export type OutputOf<D> = D extends QueueDefinition
  ? TaskOutput<D>
  : D extends RequestDefinition<infer S>
    ? OutputAt<S, 'request'>
    : BodyOutput<D>;

/** Defines a type of request: `request` is its body, `response` the result, `part` each streamed part. */
export function defineRequest<S extends RequestSchemas>(type: string, schemas: S = {} as S): RequestDefinition<S> {
  checkMessageType(type);
  return Object.freeze({ kind: 'request', type, schemas: checkSchemas(schemas, ['request', 'response', 'part']) });
}

/** Defines a type of message. */
export function defineMessage<S extends StandardSchema>(type: string, schema: S): MessageDefinition<S> {
  checkMessageType(type);
  checkSchema(schema ?? null, 'schema');
  return Object.freeze({ kind: 'message', type, schema });
}

/** Defines a topic. */
export function defineTopic<S extends StandardSchema>(topic: string, schema: S): TopicDefinition<S> {
  checkUserName(topic, 'topic');
  checkSchema(schema ?? null, 'schema');
  return Object.freeze({ kind: 'topic', topic, schema });
}

/** The schemas and the settings of a queue. */
export interface QueueParts<Task, Result, Progress> {
  readonly task?: Task;
  readonly result?: Result;
  readonly progress?: Progress;
  readonly settings?: TaskQueueSettings | undefined;
}

type MaybeSchema = StandardSchema | undefined;
type DefinedQueue<
  Task extends MaybeSchema,
  Result extends MaybeSchema,
  Progress extends MaybeSchema,
> = QueueDefinition<{
  readonly task: Task;
  readonly result: Result;
  readonly progress: Progress;
}>;

/**
 * Defines a queue of tasks: `task` is the body of a task, `result` what its handler returns, `progress` what it reports
 * meanwhile. Throws INVALID_ARGUMENT for bad ones.
 */
export function defineQueue<
  Task extends MaybeSchema = undefined,
  Result extends MaybeSchema = undefined,
  Progress extends MaybeSchema = undefined,
>(queue: string, parts: QueueParts<Task, Result, Progress> = {}): DefinedQueue<Task, Result, Progress> {
  checkUserName(queue, 'queue name');
  checkOptions(parts ?? null, [...QUEUE_SCHEMAS, 'settings'], 'queue definition');
  const { settings, ...schemas } = parts;
  checkTaskQueueSettings(settings);
  const checked = checkSchemas(schemas, QUEUE_SCHEMAS) as DefinedQueue<Task, Result, Progress>['schemas'];
  const own = settings === undefined ? {} : { settings: Object.freeze({ ...settings }) };
  return Object.freeze({ kind: 'queue', queue, schemas: checked, ...own });
}

const QUEUE_SCHEMAS = ['task', 'result', 'progress'] as const;

/** Throws INVALID_ARGUMENT unless `type` is a legal type of a message. */
export function checkMessageType(type: unknown): asserts type is string {
  if (type === undefined) throw invalid('a message needs a type', 'Name its purpose, such as validate_token.');
  checkText(type, 'type', 255);
}

function checkSchemas<S extends object>(schemas: S, keys: readonly (keyof S & string)[]): S {
  checkOptions(schemas, keys, 'schemas');
  for (const key of keys) checkSchema(schemas[key], key);
  return Object.freeze({ ...schemas });
}
