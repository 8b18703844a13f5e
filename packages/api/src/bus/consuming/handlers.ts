/** Runs handlers: one for each delivery of a queue, or by the type of a message. */

import { BusbarError, invalid, isBusbarError } from '../../contract/errors.ts';
import type { Delivery, Message } from '../../contract/message.ts';
import { isA, textOf } from '../../contract/thrown.ts';
import { checkFunction, checkOptions } from '../../contract/validation.ts';
import type { ChildResult } from '../flows/child-result.ts';
import { Causation, type Origin } from '../messages/causation.ts';
import { checkMessageType, type MessageDefinition, type RequestDefinition } from '../messages/definitions.ts';
import type { Later } from '../messages/later.ts';
import { type StandardSchema, validate, validateSent } from '../messages/schema.ts';
import type { MessageSource } from '../observing/message-source.ts';
import type { Operations } from '../operations.ts';
import type { BusRuntime } from '../runtime.ts';
import { type Context, type ContextHooks, HandlerContext } from './context.ts';
import type { DeliveryLease } from './delivery-leases.ts';
import { InvalidMessageError, InvalidOutputError, RejectError } from './failure.ts';
import { drainGenerator, isGenerator } from './generators.ts';
import { checkHandlerTimeout } from './options.ts';
import { type ReceivedMessage, toReceived } from './received.ts';

/** How the deliveries of one queue are handled. */
export interface HandlerPlan {
  readonly operations: Operations;
  readonly source: MessageSource;
  /** The subject of errors, such as `the task of batch`. */
  readonly what: string;
  /** The scope of ids that are derived from the delivery's id. */
  readonly scope: string;
  readonly schema: StandardSchema | undefined;
  readonly handler: (received: ReceivedMessage<never>, context: HandlerContext) => unknown;
  /** How long the handler may take. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Called by `context.progress`. */
  readonly progress?: (delivery: Delivery, lease: DeliveryLease, value: unknown) => void;
  /** Called by `context.children`. */
  readonly children?: (delivery: Delivery) => Promise<ChildResult[]>;
}

/** Runs the user's handler inside the middleware. Rejects with InvalidMessageError for a body that no codec or not the schema takes. */
export function handleDelivery(
  runtime: BusRuntime,
  plan: HandlerPlan,
  delivery: Delivery,
  lease: DeliveryLease,
): Promise<unknown> {
  const run = (received: ReceivedMessage): Promise<unknown> => {
    const origin = { from: undefined, cause: new Causation(delivery, plan.scope) };
    const hooks = new DeliveryHooks(runtime, plan, delivery, lease);
    return runHandler(runtime, plan, received, new HandlerContext(plan.operations, origin, hooks));
  };
  try {
    const received = decode(runtime, delivery);
    if (plan.schema === undefined && !(received instanceof Promise)) return run(received);
    return checkDelivery(plan, received).then(run);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** What the context of a delivery does. A class, since closures for each message cost more. */
class DeliveryHooks implements ContextHooks {
  readonly #runtime: BusRuntime;
  readonly #plan: HandlerPlan;
  readonly #delivery: Delivery;
  readonly signalOf: DeliveryLease;

  constructor(runtime: BusRuntime, plan: HandlerPlan, delivery: Delivery, lease: DeliveryLease) {
    this.#runtime = runtime;
    this.#plan = plan;
    this.#delivery = delivery;
    this.signalOf = lease;
  }

  get attempt(): number {
    return this.#delivery.attempt;
  }

  get source(): MessageSource {
    return this.#plan.source;
  }

  begin(): Promise<void> | undefined {
    return this.#runtime.leases.check(this.signalOf);
  }

  extend(): Promise<void> {
    return this.#runtime.leases.extend(this.signalOf);
  }

  async children(): Promise<ChildResult[]> {
    return (await this.#plan.children?.(this.#delivery)) ?? [];
  }

  async progress(value: unknown): Promise<void> {
    this.#plan.progress?.(this.#delivery, this.signalOf, value);
  }
}

/**
 * Runs a handler inside the middleware. A generator runs to its end: its values go to the requester or become progress, and
 * its return value is the result.
 */
export function runHandler(
  runtime: BusRuntime,
  plan: Pick<HandlerPlan, 'handler' | 'timeoutMs'>,
  received: ReceivedMessage,
  context: HandlerContext,
): Promise<unknown> {
  if (!runtime.middleware.has('handle')) return begin(plan, received, context);
  return runtime.middleware.handle(received, context, () => begin(plan, received, context));
}

/** Runs a handler as soon as it may begin. */
function begin(
  { handler, timeoutMs }: Pick<HandlerPlan, 'handler' | 'timeoutMs'>,
  received: ReceivedMessage,
  context: HandlerContext,
): Promise<unknown> {
  const begun = context.begin();
  if (begun === undefined && timeoutMs === undefined) return call(handler, received, context);
  const run = (): Promise<unknown> => call(handler, received, context);
  const bounded = timeoutMs === undefined ? run : (): Promise<unknown> => context.within(timeoutMs, run);
  return begun === undefined ? bounded() : begun.then(bounded);
}

async function call(
  handler: HandlerPlan['handler'],
  received: ReceivedMessage,
  context: HandlerContext,
): Promise<unknown> {
  const result = await context.timed(handler, received as ReceivedMessage<never>);
  return isGenerator(result) ? drainGenerator(result, (value) => context.take(value)) : result;
}

async function checkDelivery({ what, schema }: HandlerPlan, decoded: Later<ReceivedMessage>): Promise<ReceivedMessage> {
  const received = await decoded;
  if (schema === undefined) return received;
  try {
    return { ...received, body: await validate(schema, received.body, what) };
  } catch (error) {
    if (isBusbarError(error)) throw new InvalidMessageError(error, true);
    throw new RejectError(`the schema of ${what} failed: ${textOf(error)}`, { cause: error });
  }
}

type Definition = RequestDefinition | MessageDefinition;

/** Handles a message. Yielded values are streamed to the requester; the returned value is the response. */
export type AnyHandler = (message: ReceivedMessage<never>, context: Context) => unknown;

/** Options of the handler of an agent. */
export interface HandleOptions {
  /** How long it may take, 1 to 2^31-1. Then its signal fires and the attempt, or the request, has failed. Default: no limit. */
  readonly timeoutMs?: number | undefined;
}

interface HandlerEntry extends Pick<HandlerPlan, 'handler' | 'timeoutMs'> {
  readonly definition: Definition | undefined;
}

/** The error that a requester gets, when the request was refused: no handler ran, or its response was too large. */
export function refusalOf(thrown: unknown): BusbarError | undefined {
  if (isA(thrown, InvalidMessageError)) return thrown.error;
  return isA(thrown, InvalidOutputError) && thrown.error.code === 'PAYLOAD_TOO_LARGE' ? thrown.error : undefined;
}

/** Handlers by type. */
export class HandlerRegistry {
  readonly #runtime: BusRuntime;
  readonly #operations: Operations;
  readonly #byType = new Map<string, HandlerEntry>();

  constructor(runtime: BusRuntime, operations: Operations) {
    this.#runtime = runtime;
    this.#operations = operations;
  }

  /** Adds a handler; `*` takes types without a handler. Throws CONFLICT when the type has a handler. */
  add(type: string | Definition, handler: AnyHandler, options: HandleOptions = {}): void {
    const definition = typeof type === 'string' ? undefined : type;
    const name = typeof type === 'string' ? type : checkDefinition(type).type;
    checkMessageType(name);
    checkFunction(handler, 'handler');
    checkOptions(options, ['timeoutMs'], 'handler options');
    checkHandlerTimeout(options.timeoutMs);
    if (this.#byType.has(name)) {
      throw new BusbarError('CONFLICT', `${name} has a handler already`, { hint: 'A type has one handler.' });
    }
    this.#byType.set(name, { definition, handler, timeoutMs: options.timeoutMs });
  }

  /** Whether the type has a handler. */
  has(type: string | undefined): boolean {
    return this.#find(type) !== undefined;
  }

  get types(): string[] {
    return [...this.#byType.keys()];
  }

  /**
   * Runs the handler of `message`. Rejects with NO_RESPONDER when its type has no handler, and with
   * {@link InvalidMessageError} when it does not match its schema. Otherwise it rejects with the error of the handler.
   */
  async run(message: Message, origin: Origin, parts: ContextHooks): Promise<unknown> {
    const entry = this.#find(message.type);
    if (entry === undefined) throw noHandler(message.type, this.types);
    const read = this.#read(message, entry);
    const received = read instanceof Promise ? await read : read;
    const checked = checkParts(this.#runtime, parts, entry);
    const context = new HandlerContext(this.#operations, origin, checked);
    const result = await runHandler(this.#runtime, entry, received, context);
    if (entry.definition?.kind === 'request') await this.#checkResponse(entry.definition, result);
    return result;
  }

  #find(type: string | undefined): HandlerEntry | undefined {
    return (type === undefined ? undefined : this.#byType.get(type)) ?? this.#byType.get('*');
  }

  async #checkResponse(definition: RequestDefinition, result: unknown): Promise<void> {
    const what = `the response to ${definition.type}`;
    try {
      await validateSent(this.#runtime.bodyCodec, definition.schemas.response, result, what);
    } catch (error) {
      throw isBusbarError(error) ? new InvalidOutputError('the response of the handler', error) : error;
    }
  }

  /** Returns a promise only if there is a schema or an asynchronous codec. */
  #read(message: Message, { definition }: HandlerEntry): Later<ReceivedMessage> {
    const received = decode(this.#runtime, message);
    return definition === undefined ? received : checkBody(received, definition);
  }
}

async function checkBody(decoded: Later<ReceivedMessage>, definition: Definition): Promise<ReceivedMessage> {
  const received = await decoded;
  const schema = definition.kind === 'request' ? definition.schemas.request : definition.schema;
  try {
    return { ...received, body: await validate(schema, received.body, `the body of ${definition.type}`) };
  } catch (error) {
    throw isBusbarError(error) ? new InvalidMessageError(error, true) : error;
  }
}

function decode({ bodyCodec }: BusRuntime, message: Message): Later<ReceivedMessage> {
  try {
    const received = toReceived(bodyCodec, message);
    return received instanceof Promise ? received.catch(undecodable) : received;
  } catch (error) {
    return undecodable(error);
  }
}

function undecodable(error: unknown): never {
  throw isBusbarError(error) ? new InvalidMessageError(error, false) : error;
}

/** Checks each part against the schema before it is sent. */
function checkParts({ bodyCodec }: BusRuntime, parts: ContextHooks, { definition }: HandlerEntry): ContextHooks {
  const { reply } = parts;
  if (definition?.kind !== 'request' || definition.schemas.part === undefined || reply === undefined) return parts;
  const { type, schemas } = definition;
  return {
    ...parts,
    reply: async (value) => {
      await validateSent(bodyCodec, schemas.part, value, `a part of the response to ${type}`);
      await reply(value);
    },
  };
}

function checkDefinition(definition: Definition): Definition {
  const kind: unknown = definition?.kind;
  if (kind === 'request' || kind === 'message') return definition;
  throw invalid('an agent handles messages and requests only', 'Use a name, defineRequest or defineMessage.');
}

function noHandler(type: string | undefined, types: readonly string[]): BusbarError {
  return new BusbarError('NO_RESPONDER', `no handler for type ${JSON.stringify(type ?? '')}`, {
    hint: types.length === 0 ? 'The agent has no handlers yet.' : `It handles ${types.slice(0, 20).join(', ')}.`,
    retryable: false,
  });
}
