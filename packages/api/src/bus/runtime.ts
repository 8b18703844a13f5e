/** The state and helpers that all parts of one bus share. */

import type { CallOptions } from '../contract/call-options.ts';
import { BusbarError, isBusbarError } from '../contract/errors.ts';
import { newId } from '../contract/id.ts';
import type { MessageInput } from '../contract/message.ts';
import type { SendResult } from '../contract/queues.ts';
import type { Transport } from '../contract/transport.ts';
import { DeliveryLeases } from './consuming/delivery-leases.ts';
import { Declarations } from './declarations.ts';
import { Timings } from './histogram.ts';
import { identityOf } from './messages/as-received.ts';
import { BodyCodec, type EncodedBody } from './messages/body-codec.ts';
import type { Origin } from './messages/causation.ts';
import { EncodingOrder } from './messages/encoding-order.ts';
import { toFields } from './messages/message-options.ts';
import { MiddlewareChain, type OutgoingMessage } from './middleware.ts';
import type { FailurePlace } from './observing/background-failure.ts';
import { BusEventEmitter } from './observing/bus-events.ts';
import { ErrorReporter } from './observing/error-reporter.ts';
import { logEvents } from './observing/logger.ts';
import { type BusOptions, type BusSettings, checkBusOptions, checkTransport } from './options.ts';
import { Shutdown } from './shutdown.ts';

/** An outgoing message before it is encoded. */
export interface OutgoingDraft {
  readonly kind: OutgoingMessage['kind'];
  /** The agent, topic or queue. */
  readonly target: string;
  readonly type?: string | undefined;
  readonly body: unknown;
  /** The user's checked options: fields of the message and its headers. */
  readonly options?: (Partial<MessageInput> & object) | undefined;
  /** Whether it has a random id in a handler too. Default: a derived id. */
  readonly isFresh?: boolean;
  /** Fields that the bus sets. They override options. */
  readonly fields?: Partial<MessageInput> | undefined;
  /** Headers of the bus itself, with the prefix `bus-`. */
  readonly internal?: Readonly<Record<string, string>> | undefined;
}

/** The attempts of a message of a queue without settings. */
export const DEFAULT_MAX_ATTEMPTS = 5;

/** What middleware may change of a draft. */
interface Content {
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** An encoded message, which only its sender has: it may still change. */
export type OwnInput = { -readonly [Name in keyof MessageInput]: MessageInput[Name] };

/** Passes an encoded message to the transport. */
type Deliver<R> = (input: OwnInput) => Promise<R>;

/** Shared by all parts of one bus. */
export class BusRuntime {
  readonly transport: Transport;
  readonly settings: BusSettings;
  /** The unique id of this bus. */
  readonly instance: string = newId();
  readonly bodyCodec: BodyCodec;
  readonly middleware: MiddlewareChain = new MiddlewareChain();
  readonly shutdown: Shutdown = new Shutdown();
  readonly leases: DeliveryLeases;
  readonly declarations: Declarations;
  /** Response times of requests of this bus, by type. */
  readonly timings: Timings = new Timings();
  /** Life-cycle events of this bus. */
  readonly events: BusEventEmitter = new BusEventEmitter((error) => this.report(error, { kind: 'listener' }));
  readonly #errors: ErrorReporter;

  constructor(transport: Transport, options: BusOptions) {
    checkTransport(transport);
    this.transport = transport;
    this.settings = checkBusOptions(options);
    this.#errors = new ErrorReporter(this.settings, (failure) => this.events.emit('failure', failure));
    const { codec, codecs } = options;
    this.bodyCodec = new BodyCodec({
      codec,
      codecs,
      maxBytes: transport.capabilities.maxBodyBytes,
      order: new EncodingOrder(),
    });
    for (const middleware of options.middleware ?? []) this.middleware.add(middleware);
    this.leases = new DeliveryLeases(transport.queues, (error) => this.report(error, { kind: 'settlement' }));
    this.declarations = new Declarations(transport, (error, at) => this.report(error, at));
    this.#passOnStates();
    logEvents(this.events, this.settings.logger);
  }

  /** Throws CLOSED after the bus began to close: nothing that takes messages can be opened. */
  assertOpen(): void {
    if (this.shutdown.isClosing) throw this.#closed();
  }

  /** Throws CLOSED after the last handler ended. Until then handlers may send. */
  assertSending(): void {
    if (this.shutdown.isDrained) throw this.#closed();
  }

  /** A BusbarError with the operation and the transport; any other error unchanged. */
  withErrorContext(error: unknown, operation: string): unknown {
    return isBusbarError(error) ? error.at(operation, this.transport.name) : error;
  }

  /** Reports a failure without a waiting caller. Never throws. What the close of this bus ends is no failure. */
  report(error: unknown, at: FailurePlace): void {
    if (this.shutdown.isClosing && isBusbarError(error) && error.code === 'CLOSED') return;
    this.#errors.report(error, at);
  }

  /** How many failures were reported. */
  get errors(): number {
    return this.#errors.count;
  }

  /**
   * Encodes a draft inside the middleware and passes it to `send`. Without middleware `send` is called in the same
   * turn of the event loop, so calls that are not awaited keep their order. With an asynchronous codec it is called later, in
   * the same order. Throws for a body that cannot be encoded.
   */
  sendOut<R>(origin: Origin, draft: OutgoingDraft, send: Deliver<R>): Promise<R> {
    const deliver = this.#announced(draft, send);
    const { kind, target, type, body, options } = draft;
    if (!this.middleware.has(kind)) return this.#encodeOut(origin, draft, { body, headers: options?.headers }, deliver);
    const headers = { ...options?.headers };
    const outgoing: OutgoingMessage = { kind, target, type, from: origin.from, cause: causeOf(origin), body, headers };
    return this.middleware.outgoing(outgoing, async () => this.#encodeOut(origin, draft, outgoing, deliver));
  }

  #encodeOut<R>(origin: Origin, draft: OutgoingDraft, content: Content, deliver: Deliver<R>): Promise<R> {
    const encoded = this.bodyCodec.encode(content.body);
    if (!(encoded instanceof Promise)) return deliver(this.#toInput(origin, draft, content, encoded));
    return encoded.then((late) => deliver(this.#toInput(origin, draft, content, late)));
  }

  /** An encoded message, with its id, its origin and the bus's own headers. */
  #toInput(
    { from, cause }: Origin,
    { kind, target, type, options, isFresh, fields, internal }: OutgoingDraft,
    { body, headers }: Content,
    encoded: EncodedBody,
  ): OwnInput {
    const isDerived = cause !== undefined && options?.id === undefined && isFresh !== true;
    const derived = isDerived
      ? cause.nextId(kind, target, type, identityOf(this.bodyCodec, body, encoded.body))
      : undefined;
    // Only fields that are present: the transport checks every key, which costs a tenth of a send.
    const input: OwnInput = { body: encoded.body, contentType: encoded.contentType };
    if (options !== undefined) Object.assign(input, toFields(options));
    if (derived !== undefined) input.id = derived;
    if (type !== undefined) input.type = type;
    if (from !== undefined) input.from = from;
    if (cause !== undefined) {
      input.causationId = cause.id;
      input.hops = cause.nextHops;
    }
    if (headers !== undefined || internal !== undefined) input.headers = { ...headers, ...internal };
    return fields === undefined ? input : Object.assign(input, fields);
  }

  /** The attempts of messages of a queue without their own `maxAttempts`. */
  async maxAttemptsOf(queue: string, options?: CallOptions): Promise<number> {
    const [info] = await this.transport.admin.queues({ ...options, names: [queue] });
    return info?.settings.maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
  }

  /** Sends one message to a queue. Rejects when it was not stored. */
  async sendToQueue(
    queue: string,
    input: MessageInput,
    options?: CallOptions & { readonly create?: boolean },
  ): Promise<{ id: string; status: 'stored' | 'duplicate' }> {
    return toStored((await this.transport.queues.send(queue, [input], options))[0]);
  }

  /** `deliver`, which emits what it has sent. */
  #announced<R>({ kind, target, type }: OutgoingDraft, deliver: Deliver<R>): Deliver<R> {
    if (kind === 'request' || !this.events.isHeard('sent')) return deliver;
    return async (input) => {
      const sent = await deliver(input);
      const { id } = sent as { readonly id: string };
      this.events.emit('sent', { kind, target, ...(type !== undefined && { type }), id });
      return sent;
    };
  }

  /** The transport may outlive the bus. */
  #passOnStates(): void {
    const { transport, events } = this;
    const stops = [
      transport.onState((change) => events.emit('connection', change)),
      transport.onReset((reset) => events.emit('reset', reset)),
      transport.onFailure(({ work, error }) => this.report(error, { kind: 'background', work })),
    ];
    this.shutdown.add('services', { close: async () => void stops.map((stop) => stop()) });
  }

  #closed(): BusbarError {
    return new BusbarError('CLOSED', 'the bus is closed', { transport: this.transport.name, hint: 'Open a new one.' });
  }
}

function causeOf({ cause, handled }: Origin): OutgoingMessage['cause'] {
  if (cause === undefined || handled === undefined) return undefined;
  return { id: cause.id, attempt: handled.attempt, source: handled.source };
}

/** The result of a stored message. Throws the error of a failed one. */
export function toStored(result: SendResult | undefined): { id: string; status: 'stored' | 'duplicate' } {
  if (result?.status === 'stored' || result?.status === 'duplicate') return { id: result.id, status: result.status };
  throw (
    result?.error ??
    new BusbarError('INTERNAL', 'the transport returned no result for the message', { outcome: 'unknown' })
  );
}
