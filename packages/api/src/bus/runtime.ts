/** What all parts of one bus share. */

import { BusbarError, isBusbarError, toBusbarError } from '../contract/errors.ts';
import { newId } from '../contract/id.ts';
import type { MessageInput } from '../contract/message.ts';
import type { CallOptions, SendResult, Transport } from '../contract/transport.ts';
import { DeliveryLeases } from './consuming/delivery-leases.ts';
import { Timings } from './histogram.ts';
import { BodyCodec } from './messages/body-codec.ts';
import type { Origin } from './messages/causation.ts';
import { toFields } from './messages/message-options.ts';
import { MiddlewareChain, type OutgoingMessage } from './middleware.ts';
import { type BusOptions, type BusSettings, checkBusOptions, checkTransport } from './options.ts';
import { Shutdown } from './shutdown.ts';

/** What goes out, before it is a message. */
export interface OutgoingDraft {
  readonly kind: OutgoingMessage['kind'];
  /** The agent, topic or queue, as users name it. */
  readonly target: string;
  readonly type?: string | undefined;
  readonly body: unknown;
  /** The user's options, checked: fields of the message and its headers are taken from them. */
  readonly options?: (Partial<MessageInput> & object) | undefined;
  /** Whether it has a new id also inside of a handler. Default: one that follows from what is handled. */
  readonly isFresh?: boolean;
  /** Fields that the bus itself sets; they win. */
  readonly fields?: Partial<MessageInput>;
  /** Headers of the bus itself, all with `bus-` in front. */
  readonly internal?: Readonly<Record<string, string>>;
}

const DEFAULT_MAX_ATTEMPTS = 5;

/** What all parts of one bus share. */
export class BusRuntime {
  readonly transport: Transport;
  readonly settings: BusSettings;
  /** Tells this bus from all others, over restarts too. */
  readonly instance: string = newId();
  readonly bodyCodec: BodyCodec;
  readonly middleware: MiddlewareChain = new MiddlewareChain();
  readonly shutdown: Shutdown = new Shutdown();
  readonly leases: DeliveryLeases;
  /** How long the answers to requests of this bus took, by type. */
  readonly timings: Timings = new Timings();
  /** How many failures were reported so far. */
  errors = 0;

  constructor(transport: Transport, options: BusOptions) {
    checkTransport(transport);
    this.transport = transport;
    this.settings = checkBusOptions(options);
    this.bodyCodec = new BodyCodec(options.codec, options.codecs);
    for (const middleware of options.middleware ?? []) this.middleware.add(middleware);
    this.leases = new DeliveryLeases(transport.queues, (error) => this.report(error, 'settle'));
  }

  /** Throws CLOSED once the bus began to close: what takes work in is not opened any more. */
  assertOpen(): void {
    if (this.shutdown.isClosing) throw this.#closed();
  }

  /** Throws CLOSED once the last handler is over: until then handlers that finish may send and ask. */
  assertSending(): void {
    if (this.shutdown.isDrained) throw this.#closed();
  }

  /** An error of Busbar with the verb and the transport it arose on; any other as it is. */
  withErrorContext(error: unknown, operation: string): unknown {
    return isBusbarError(error) ? error.at(operation, this.transport.name) : error;
  }

  /** Reports a failure that no caller waits for. Never throws. */
  report(error: unknown, where: string): void {
    this.errors += 1;
    try {
      this.settings.onError?.(toBusbarError(error), where);
    } catch {
      // A listener that throws must not end what goes on behind it.
    }
  }

  /**
   * Makes a message of a draft, middleware around it, and lets `deliver` carry it. Without middleware `deliver` is called
   * in the same turn, so that what is not awaited keeps its order. What cannot be a message is thrown at once.
   */
  sendOut<R>(origin: Origin, draft: OutgoingDraft, deliver: (input: MessageInput) => Promise<R>): Promise<R> {
    const headers = draft.options?.headers;
    if (!this.middleware.has(draft.kind)) return deliver(this.toInput(origin, draft, draft.body, headers));
    const { kind, target, type } = draft;
    const outgoing: OutgoingMessage = {
      kind,
      target,
      type,
      from: origin.from,
      body: draft.body,
      headers: { ...headers },
    };
    return this.middleware.outgoing(outgoing, async () =>
      deliver(this.toInput(origin, draft, outgoing.body, outgoing.headers)),
    );
  }

  /** The message of a draft: encoded, with its id, its origin and the bus's own headers. */
  toInput(
    { from, cause }: Origin,
    { kind, target, type, options, isFresh, fields, internal }: OutgoingDraft,
    body: unknown,
    headers: Readonly<Record<string, string>> | undefined,
  ): MessageInput {
    const isDerived = cause !== undefined && options?.id === undefined && isFresh !== true;
    const derived = isDerived ? cause.nextId(kind, target, type) : undefined;
    return {
      ...this.bodyCodec.encode(body),
      ...toFields(options),
      ...(derived === undefined ? {} : { id: derived }),
      ...(type === undefined ? {} : { type }),
      ...(from === undefined ? {} : { from }),
      ...(cause === undefined ? {} : { causationId: cause.id, hops: cause.nextHops }),
      ...(headers === undefined && internal === undefined ? {} : { headers: { ...headers, ...internal } }),
      ...fields,
    };
  }

  /** The attempts that messages of a queue have which do not say it themselves. */
  async maxAttemptsOf(queue: string): Promise<number> {
    const [info] = await this.transport.admin.queues({ names: [queue] });
    return info?.settings.maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
  }

  /** Sends one message to a queue; what failed is thrown. */
  async sendToQueue(
    queue: string,
    input: MessageInput,
    options?: CallOptions & { readonly create?: boolean },
  ): Promise<{ id: string; status: 'stored' | 'duplicate' }> {
    return toStored((await this.transport.queues.send(queue, [input], options))[0]);
  }

  #closed(): BusbarError {
    return new BusbarError('CLOSED', 'the bus is closed', { transport: this.transport.name, hint: 'Open a new one.' });
  }
}

/** The result of a message that was stored; throws the error of one that was not. */
export function toStored(result: SendResult | undefined): { id: string; status: 'stored' | 'duplicate' } {
  if (result?.status === 'stored' || result?.status === 'duplicate') return { id: result.id, status: result.status };
  throw (
    result?.error ??
    new BusbarError('INTERNAL', 'the transport did not say what became of the message', { outcome: 'unknown' })
  );
}
