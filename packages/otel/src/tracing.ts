/** Spans of send, receive, process and settle. */

import type { BusEventMap, MessageSource, OutgoingMessage, ReceivedMessage } from '@busbar/api';
import {
  type Context,
  context,
  createContextKey,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import {
  errorType,
  isPostponed,
  operation,
  outgoingAttributes,
  receivedAttributes,
  SCHEDULE,
  sourceAttributes,
  spanName,
  subjectOfOutgoing,
  subjectOfSource,
} from './attributes.ts';
import { getter, setter } from './carrier.ts';

/** The events that end the handling of a message. */
export type EndName = 'done' | 'cancelled' | 'failed' | 'released' | 'lease-lost';

/** One of these events. `next` and `delayMs` are those of `failed`. */
export type EndedEvent = BusEventMap['done'] & Partial<Pick<BusEventMap['failed'], 'next' | 'delayMs'>>;

/** A message between its receive, or the begin of its handler, and its settlement. */
interface Unsettled {
  /** The context with the span of its receive or its handler. */
  readonly own: Context;
  readonly links: Link[];
  endedAt: number | undefined;
}

/** The most messages that are remembered. A settlement with an unknown outcome has no event. */
const MAX_UNSETTLED = 10_000;
/** A message with a lost lease is not settled. */
const SETTLEMENTS = { done: 'ack', cancelled: 'ack', released: 'release', 'lease-lost': undefined } as const;
const FAILURES = { retry: 'retry', 'dead-letter': 'reject', none: undefined } as const;

/** The key of the message whose handler a context belongs to. */
const HANDLED = createContextKey('@busbar/otel handled message');

/** Traces one bus. */
export class Tracing {
  readonly #tracer: Tracer;
  readonly #unsettled = new Map<string, Unsettled>();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  /** Around a send. The span of a request ends with its response. */
  outgoing(message: OutgoingMessage, next: () => Promise<unknown>): Promise<unknown> {
    const { kind } = message;
    const parent = this.#contextOf(message);
    const spanKind = kind === 'request' ? SpanKind.CLIENT : SpanKind.PRODUCER;
    const attributes = { ...operation(kind, 'send'), ...outgoingAttributes(message) };
    const name = spanName(kind, subjectOfOutgoing(message));
    const span = this.#tracer.startSpan(name, { kind: spanKind, attributes }, parent);
    const own = trace.setSpan(parent, span);
    propagation.inject(own, message.headers, setter);
    return during(span, own, async () => {
      const result = await next();
      const id = kind === 'request' ? undefined : (result as { readonly id?: unknown } | undefined)?.id;
      if (typeof id === 'string') span.setAttribute('messaging.message.id', id);
      return result;
    });
  }

  /** Around a receive by hand. One that finds nothing has no span. */
  async receive(
    source: MessageSource,
    next: () => Promise<readonly ReceivedMessage[]>,
  ): Promise<readonly ReceivedMessage[]> {
    const startTime = Date.now();
    const messages = await next();
    if (messages.length === 0) return messages;
    const attributes = {
      ...operation('receive', 'receive'),
      ...sourceAttributes(source),
      'messaging.batch.message_count': messages.length,
    };
    const links = messages.flatMap(({ headers }) => linksTo(headers));
    const name = spanName('receive', subjectOfSource(source, undefined));
    const span = this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes, links, startTime });
    span.end();
    const own = trace.setSpan(context.active(), span);
    for (const message of messages) {
      const unsettled = { own, links: linksTo(message.headers), endedAt: undefined };
      this.#remember(keyOf(source, message), unsettled);
    }
    return messages;
  }

  /** Around a handler. Its span is a child of the span that sent the message, and links to it. */
  async handle(received: ReceivedMessage, source: MessageSource, next: () => Promise<unknown>): Promise<unknown> {
    const { headers } = received;
    // What was active when the worker was opened has no part in this message.
    const parent = propagation.extract(ROOT_CONTEXT, headers, getter);
    const links = linksTo(headers);
    const kind = source.kind === 'request' ? SpanKind.SERVER : SpanKind.CONSUMER;
    const attributes = { ...operation('process', 'process'), ...receivedAttributes(received, source) };
    const name = spanName('process', subjectOfSource(source, received.type));
    const span = this.#tracer.startSpan(name, { kind, attributes, links }, parent);
    const key = keyOf(source, received);
    const own = trace.setSpan(parent, span).setValue(HANDLED, key);
    const unsettled: Unsettled = { own, links, endedAt: undefined };
    if (source.kind !== 'request' && source.isLive !== true) this.#remember(key, unsettled);
    try {
      return await during(span, own, next);
    } finally {
      unsettled.endedAt = Date.now();
    }
  }

  /**
   * After a settlement, which began when the handler had ended. One by hand belongs to the receive; in another process to the
   * active span.
   */
  settled(name: EndName, event: EndedEvent): void {
    // No attempt has ended: the task was cancelled while it waited.
    if (event.attempt === 0) return;
    const key = keyOf(event, event);
    const unsettled = this.#unsettled.get(key) ?? receivedElsewhere(event);
    this.#unsettled.delete(key);
    const action = name === 'failed' ? FAILURES[event.next ?? 'none'] : SETTLEMENTS[name];
    if (unsettled === undefined || action === undefined) return;
    const { delayMs } = event;
    const attributes = {
      ...operation(action, 'settle'),
      ...sourceAttributes(event),
      'messaging.message.id': event.id,
      'busbar.attempt': event.attempt,
      ...(delayMs !== undefined && { 'busbar.retry.delay_ms': delayMs }),
    };
    const { own, links, endedAt: startTime } = unsettled;
    const options = { kind: SpanKind.CLIENT, attributes, links, ...(startTime !== undefined && { startTime }) };
    this.#tracer.startSpan(spanName(action, subjectOfSource(event, event.type)), options, own).end();
  }

  /**
   * The active context; without a span in it, that of the headers which the program set itself. In a batch the active context
   * may be that of another task than the cause. A schedule has no active context: what was active when it was watched has no
   * part in its messages.
   */
  #contextOf({ headers, cause }: OutgoingMessage): Context {
    const active = headers[SCHEDULE] === undefined ? context.active() : ROOT_CONTEXT;
    if (cause !== undefined) {
      const key = keyOf(cause.source, cause);
      if (active.getValue(HANDLED) !== key) return this.#unsettled.get(key)?.own ?? active;
    }
    return trace.getSpanContext(active) === undefined ? propagation.extract(active, headers, getter) : active;
  }

  #remember(key: string, unsettled: Unsettled): void {
    this.#unsettled.set(key, unsettled);
    if (this.#unsettled.size <= MAX_UNSETTLED) return;
    const [oldest = key] = this.#unsettled.keys();
    this.#unsettled.delete(oldest);
  }
}

/** A message that another process has received: its event has no duration. What it was sent with is not known. */
function receivedElsewhere({ durationMs }: EndedEvent): Unsettled | undefined {
  return durationMs === undefined ? { own: context.active(), links: [], endedAt: undefined } : undefined;
}

function linksTo(headers: Readonly<Record<string, string>>): Link[] {
  const sender = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers, getter));
  return sender === undefined ? [] : [{ context: sender }];
}

function keyOf(source: MessageSource, { id, attempt }: { readonly id: string; readonly attempt: number }): string {
  const { kind, queue, agent, subscription } = source;
  return JSON.stringify([kind, queue ?? agent ?? subscription, id, attempt]);
}

/** Runs `work` in `own`, and ends `span` after it. */
async function during<T>(span: Span, own: Context, work: () => Promise<T>): Promise<T> {
  try {
    return await context.with(own, work);
  } catch (error) {
    if (isPostponed(error)) throw error;
    span.setAttribute('error.type', errorType(error));
    span.recordException(error instanceof Error ? error : String(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    throw error;
  } finally {
    span.end();
  }
}
