/** Typed messages, requests, topics and queues: a name and the schemas of its bodies. */

import { invalid } from '../../contract/errors.ts';
import { checkUserName } from '../../contract/names.ts';
import { checkOptions, checkText } from '../../contract/validation.ts';
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
}

type SchemaAt<S, K extends string> = S extends { readonly [P in K]?: infer T } ? T : undefined;
/** What a sender gives for the schema `K` of `S`; `unknown` without one. */
export type InputAt<S, K extends string> = SchemaInput<SchemaAt<S, K>>;
/** What a receiver gets for the schema `K` of `S`; `unknown` without one. */
export type OutputAt<S, K extends string> = SchemaOutput<SchemaAt<S, K>>;

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

/** Defines a queue of tasks: `task` is the body of a task, `result` what its handler returns. */
export function defineQueue<S extends QueueSchemas>(queue: string, schemas: S = {} as S): QueueDefinition<S> {
  checkUserName(queue, 'queue name');
  return Object.freeze({ kind: 'queue', queue, schemas: checkSchemas(schemas, ['task', 'result']) });
}

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
